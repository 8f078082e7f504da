"""What an exploration tries, in which order, and when it has seen enough.

In this order, within the budget: every single fault at every await of the calm run · pairs of faults, where the second
hits a wait that only the first one led to · orders of ready tasks at level `batch`, with and without faults · level
`any` with its bound, when asked for, or when `batch` is saturated and nothing was found.

A level with few orders is enumerated. Any other is left for the next one when the later half of its watched runs showed
no two steps in an order not seen before; then the levels take turns, until SATURATED_RUNS in a row had been seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from faultloop.deciders.strategies import SYSTEMATIC
from faultloop.model.trace import Order
from faultloop.search.ledger import Ledger
from faultloop.search.units import Drawing, Enumerating, Guiding, Identity, Reaching, Report, Seconds, Singles, Unit

SINGLES_PER_UNIT = 64
FIRSTS_PER_UNIT = 16
GUIDED_PER_UNIT = 8
DRAWN_PER_UNIT = 2
WATCHED_MIN = 12
"""How many watched runs a level gets at least, before it can be saturated."""
SATURATED_RUNS = 200
"""Orders are no longer drawn once this many in a row were seen before."""
ENUMERATED_MAX = 64
"""Up to how many orders a level is enumerated."""
ENUMERATED_PER_UNIT = 32

CarryOut = Callable[[Iterable[Unit]], Iterator[tuple[Unit, Report]]]
"""Carries out units somewhere, and gives back what each came to, in their order."""


@dataclass(slots=True)
class _Level:
    """How far one order level is.

    answers: what enumerating goes on with; None when it is over, or was given up.   part, watched: runs of a strategy.
    fruitful: the number of the last watched run that showed something new.   stale: runs in a row that did not.
    """

    order: Order
    strategy: str
    answers: tuple[int, ...] | None = None
    part: int = 0
    watched: int = 0
    fruitful: int = 0
    stale: int = 0
    is_enumerated: bool = False
    is_done: bool = False
    pairs: set[int] = field(default_factory=set[int])
    learned: dict[str, Any] | None = None

    @property
    def is_saturated(self) -> bool:
        """Whether it is another level's turn."""
        if self.is_done or self.is_enumerated:
            return True
        is_steady = self.watched >= WATCHED_MIN and self.watched >= 2 * self.fruitful
        return is_steady and self.strategy not in SYSTEMATIC


class Stages:
    """The stages of one exploration. saves: whether what strategies learn goes from one unit to the next as data."""

    def __init__(self, ledger: Ledger, carry_out: CarryOut, *, seed: int, saves: bool) -> None:
        self._ledger = ledger
        self._carry_out = carry_out
        self._random = Random(seed)
        self._seed = seed
        self._saves = saves
        self.learned: dict[str, Any] | None = None
        """The tables learned, as far as they came back."""

    def _results(self, stage: str, units: Iterable[Unit]) -> Iterator[tuple[Unit, Report]]:
        ledger = self._ledger
        ledger.stage = stage
        for unit, report in self._carry_out(unit for unit in units if ledger.may_run()):
            yield unit, report
            ledger.enter(unit, report)

    def _all(self, stage: str, units: Iterable[Unit]) -> bool:
        """Carry out all of them. Returns whether nothing was left out."""
        for _ in self._results(stage, units):
            pass
        return not self._ledger.is_cut

    # Faults

    def singles(self, count: int, named: str) -> None:
        """Every single fault. count: how many there are.   named: their kinds, in words."""
        units = (
            Singles(start, min(start + SINGLES_PER_UNIT, count)) for start in range(0, max(count, 1), SINGLES_PER_UNIT)
        )
        if self._all("single faults", units):
            self._ledger.exhausted.append(f"every single fault ({named}) at every await of the calm run")

    def pairs(self, count: int) -> None:
        """A second fault at waits that only the first one led to: cleanup code, and whatever else."""
        fresh: dict[int, tuple[Identity, ...]] = {}
        known: set[Identity] = set()
        units = (Reaching(start, min(start + FIRSTS_PER_UNIT, count)) for start in range(0, count, FIRSTS_PER_UNIT))
        for unit, report in self._results("pairs of faults", units):
            assert isinstance(unit, Reaching), unit
            for first, waits in enumerate(report.reached, unit.start):
                if new := tuple(wait for wait in waits if wait not in known):
                    known.update(new)
                    fresh[first] = new
        seconds = (Seconds(first, waits) for first, waits in fresh.items())
        if self._all("pairs of faults", seconds) and fresh:
            self._ledger.exhausted.append("every second fault at an await that only a first fault led to")

    # Orders

    def orders(self, levels: tuple[Order, ...], extra: Order | None, strategy: str, *, with_faults: bool) -> None:
        """Orders of ready tasks at these levels, and then at an extra one if nothing was found.

        strategy: one of the deciders' strategies.   with_faults: whether some orders have faults as well.
        """
        answers = () if strategy == "auto" else None
        states = [_Level(order, strategy, answers) for order in levels]
        self._take_turns(states, with_faults)
        if extra is not None and not self._ledger.found:
            states.append(_Level(extra, strategy, answers))
            self._take_turns(states[-1:], with_faults)
        self._take_turns(states, with_faults, to_the_end=True)

    def _take_turns(self, states: list[_Level], with_faults: bool, *, to_the_end: bool = False) -> None:
        while self._ledger.may_run():
            going_on = [s for s in states if not (s.is_done if to_the_end else s.is_saturated)]
            if not going_on:
                return
            by_order = {state.order: state for state in going_on}
            units = (unit for state in going_on for unit in self._next_units(state, with_faults))
            for unit, report in self._results(f"orders ({', '.join(by_order)})", units):
                assert isinstance(unit, Enumerating | Drawing | Guiding), unit
                self._learn(by_order[unit.order], unit, report, with_faults)

    def _next_units(self, state: _Level, with_faults: bool) -> Iterator[Unit]:
        if state.answers is not None:
            yield Enumerating(state.order, state.answers, ENUMERATED_PER_UNIT if state.answers else 1)
            return
        learned = state.learned if self._saves else None
        if not state.is_enumerated:
            yield Guiding(state.order, state.strategy, self._seed, state.part, GUIDED_PER_UNIT, learned, self._saves)
            state.part += 1
        if state.strategy == "auto":
            yield Drawing(state.order, self._random.getrandbits(32), DRAWN_PER_UNIT, int(with_faults))

    def _learn(self, state: _Level, unit: Unit, report: Report, with_faults: bool) -> None:
        new = [mark for mark in report.schedules if mark not in self._ledger.schedules]
        state.stale = 0 if new else state.stale + len(report.schedules)
        match unit:
            case Enumerating():
                self._enumerated(state, report, with_faults)
                return
            case Guiding():
                state.watched += report.runs
                if not state.pairs.issuperset(report.pairs):
                    state.fruitful = state.watched
                    state.pairs.update(report.pairs)
                if report.learned is not None:
                    state.learned = self.learned = report.learned
            case _:
                pass
        exhausted = self._ledger.exhausted
        if state.is_done:
            return  # one that was under way when that was found out
        if report.is_exhausted:
            state.is_done = True
            exhausted.append(f"every order of steps that strategy {state.strategy} draws, at level {state.order}")
        elif state.stale >= SATURATED_RUNS and state.strategy not in SYSTEMATIC:
            state.is_done = True
            if not state.is_enumerated:
                exhausted.append(
                    f"orders at level {state.order}, as far as drawing goes: "
                    f"the last {SATURATED_RUNS} had all been seen before"
                )

    def _enumerated(self, state: _Level, report: Report, with_faults: bool) -> None:
        """Go on enumerating while there seem to be few orders; say so when all were run."""
        state.answers = report.following
        state.watched += report.runs
        if report.is_exhausted:
            state.answers = None
            state.is_enumerated, state.is_done = True, not with_faults or not report.asked
            why = f": all {state.watched}" if report.asked else ": no two steps were ever ready in one turn"
            self._ledger.exhausted.append(f"every order at level {state.order}{why}")
        elif report.is_cut or report.ways > ENUMERATED_MAX or state.watched > 2 * ENUMERATED_MAX:
            state.answers, state.watched = None, 0
