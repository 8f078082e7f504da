"""What an exploration tries, in which order, and when it has seen enough.

In this order, within the budget: every single fault at every await of the calm run · pairs of faults, where the second
hits a wait that only the first one led to · orders of ready tasks at level `batch`, with and without faults · level
`any` with its bound, when asked for, or when `batch` is saturated and nothing was found.

A level with few orders is enumerated, and their classes are counted by at most as many runs. Any other is left for the
next one when the later half of its watched runs showed no two steps in an order not seen before; then the levels take
turns, until SATURATED_RUNS in a row had been seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from random import Random

from faultloop.deciders.learned import Saved, put_together
from faultloop.deciders.strategies import SYSTEMATIC
from faultloop.model.trace import Order
from faultloop.search.ledger import Ledger
from faultloop.search.units import Drawing, Enumerating, Guiding, Identity, Reaching, Report, Seconds, Singles, Unit

SINGLES_PER_UNIT = 64
FIRSTS_PER_UNIT = 16
ENUMERATED_PER_UNIT = 16
PART_MIN, PART_MAX = 4, 64
"""Runs of one part of a level: few at first, so that little is lost when a level is soon done; then more and more."""
RUNS_PER_FAULTED = 8
"""Of how many orders drawn one is tried with faults as well: that is about as many runs again."""
DRAWN_PER_GUIDED = 4
"""How many orders are drawn evenly for each one that a strategy draws, once parts grow: they cost a fifth."""
SAVED_EVERY = 8
"""After how many parts a lone strategy's tables come back, for the file that keeps them."""
WATCHED_MIN = 12
"""How many watched runs a level gets at least, before it can be saturated."""
SATURATED_RUNS = 200
"""Orders are no longer drawn once this many in a row were seen before."""
ENUMERATED_MAX = 64
"""Up to how many orders a level is enumerated."""
COUNTING = "unseen"
"""The strategy that goes through happens-before classes, once each: what orders that were all made come to."""
AT_ONCE_MAX = 8
"""Up to how many there is no need to draw some beside: enumerating begins with what is least unlike the calm run."""

CarryOut = Callable[[Iterable[Unit]], Iterator[tuple[Unit, Report]]]
"""Carries out units somewhere, and gives back what each came to, in their order."""


@dataclass(slots=True)
class _Level:
    """How far one order level is.

    answers: what enumerating goes on with; None when it is over, or was given up.   enumerated: runs so far.
    ways: how many there seem to be.   uncounted: of how many, all that there are, the classes are to be counted.
    part, watched: runs of a strategy.
    fruitful: the number of the last watched run that showed something new.   stale: runs in a row that did not.
    learned, lessons: what strategies learned, put together, and what came back since.
    """

    order: Order
    strategy: str
    answers: tuple[int, ...] | None = None
    learned: Saved | None = None
    lessons: list[Saved] = field(default_factory=list[Saved])
    enumerated: int = 0
    ways: int = 0
    uncounted: int = 0
    part: int = 0
    watched: int = 0
    fruitful: int = 0
    stale: int = 0
    is_enumerated: bool = False
    is_done: bool = False
    pairs: set[int] = field(default_factory=set[int])

    @property
    def size(self) -> int:
        """How many runs the next part has."""
        return min(PART_MIN << self.part // 4, PART_MAX)

    @property
    def is_saturated(self) -> bool:
        """Whether it is another level's turn."""
        if self.uncounted:
            return False
        if self.is_done or self.is_enumerated:
            return True
        if self.answers is not None:
            return False
        is_steady = self.watched >= WATCHED_MIN and self.watched >= 2 * self.fruitful
        return is_steady and self.strategy not in SYSTEMATIC


class Stages:
    """The stages of one exploration.

    lanes: how many strategies draw side by side, each for itself; what they learn is put together after each part.
    learned: what was learned before, or None.   keeps: whether what is learned now is wanted at the end.
    """

    def __init__(
        self,
        ledger: Ledger,
        carry_out: CarryOut,
        *,
        seed: int,
        lanes: int = 1,
        learned: Saved | None = None,
        keeps: bool = False,
    ) -> None:
        self._ledger = ledger
        self._carry_out = carry_out
        self._random = Random(seed)
        self._seed = seed
        self._lanes = lanes
        self._keeps = keeps
        self._draws_evenly = False
        self.learned = learned
        """What strategies learned, as far as it came back."""

    def _results(self, stage: str, units: Iterable[Unit]) -> Iterator[tuple[Unit, Report]]:
        ledger = self._ledger
        ledger.stage = stage
        for unit, report in self._carry_out(unit for unit in units if ledger.may_run()):
            yield unit, report
            ledger.enter(unit, report)
            if report.is_interrupted:
                raise KeyboardInterrupt

    def _all(self, stage: str, units: Iterable[Unit]) -> bool:
        """Carry out all of them. Returns whether nothing was left out."""
        for _ in self._results(stage, units):
            pass
        return not self._ledger.is_cut

    def skip(self, why: str) -> None:
        """Leave something out."""
        self._ledger.skipped[why] = 1

    # Faults

    def singles(self, count: int, named: str, where: str) -> None:
        """Every single fault. count: how many there are.   named: their kinds, and where: which awaits, in words."""
        units = (
            Singles(start, min(start + SINGLES_PER_UNIT, count)) for start in range(0, max(count, 1), SINGLES_PER_UNIT)
        )
        if self._all("single faults", units):
            self._ledger.exhausted.append(f"every single fault ({named}) at every await {where}")

    def pairs(self, count: int) -> None:
        """A second fault at waits that only the first one led to: cleanup code, and whatever else."""
        fresh: dict[int, dict[Identity, int]] = {}
        known: set[Identity] = set()
        units = (Reaching(start, min(start + FIRSTS_PER_UNIT, count)) for start in range(0, count, FIRSTS_PER_UNIT))
        for unit, report in self._results("pairs of faults", units):
            assert isinstance(unit, Reaching), unit
            for first, waits in enumerate(report.reached, unit.start):
                if new := {wait: count for wait, count in waits if wait not in known}:
                    known.update(new)
                    fresh[first] = new
        seconds = (Seconds(first, tuple(waits), sum(waits.values())) for first, waits in fresh.items())
        if self._all("pairs of faults", seconds) and fresh:
            self._ledger.exhausted.append("every second fault at an await that only a first fault led to")

    # Orders

    def orders(
        self,
        levels: tuple[Order, ...],
        extra: Order | None,
        strategy: str,
        *,
        with_faults: bool = False,
        draws_evenly: bool = False,
    ) -> None:
        """Orders of ready tasks at these levels, and then at an extra one if nothing was found.

        strategy: one of the deciders' strategies.   draws_evenly: whether some orders are drawn without any strategy,
        or enumerated where there are few.   with_faults: whether some of those have faults as well.
        """
        self._draws_evenly = draws_evenly
        answers = () if draws_evenly else None
        states = [_Level(order, strategy, answers, self.learned) for order in levels]
        self._take_turns(states, with_faults)
        if extra is not None and not self._ledger.found:
            states.append(_Level(extra, strategy, answers, self.learned))
            self._take_turns(states[-1:], with_faults)
        self._take_turns(states, with_faults, to_the_end=True)
        for state in states:
            self._put_together(state)

    def _take_turns(self, states: list[_Level], with_faults: bool, *, to_the_end: bool = False) -> None:
        while self._ledger.may_run():
            going_on = [s for s in states if not ((s.is_done and not s.uncounted) if to_the_end else s.is_saturated)]
            if not going_on:
                return
            by_order = {state.order: state for state in going_on}
            units = (unit for state in going_on for unit in self._next_units(state, with_faults))
            for unit, report in self._results(f"orders ({', '.join(by_order)})", units):
                assert isinstance(unit, Enumerating | Drawing | Guiding), unit
                self._learn(by_order[unit.order], unit, report, with_faults)

    def _next_units(self, state: _Level, with_faults: bool) -> Iterator[Unit]:
        if state.uncounted:
            yield Guiding(state.order, COUNTING, self._seed, 0, state.uncounted)
            return
        if state.answers is not None:
            yield Enumerating(state.order, state.answers, ENUMERATED_PER_UNIT if state.answers else 1)
            if state.ways <= AT_ONCE_MAX:
                return
        size, part = state.size, state.part
        state.part += 1
        lanes = 1 if state.strategy in SYSTEMATIC else self._lanes
        if not state.is_enumerated:
            learned = self._put_together(state) if lanes > 1 or part == 0 else None
            saves = lanes > 1 or (self._keeps and part % SAVED_EVERY == 0)
            for lane in range(lanes):
                yield Guiding(state.order, state.strategy, self._seed + lane, part, size, learned, saves)
        if self._draws_evenly and state.answers is None:
            drawn = size if size == PART_MIN else size * DRAWN_PER_GUIDED
            faulted = (drawn + part % 2 * RUNS_PER_FAULTED // 2) // RUNS_PER_FAULTED if with_faults else 0
            for _ in range(lanes):
                yield Drawing(state.order, self._random.getrandbits(32), drawn, faulted)

    def _put_together(self, state: _Level) -> Saved | None:
        tables = [*([state.learned] if state.learned is not None else []), *state.lessons]
        state.lessons.clear()
        if not tables:
            return None
        state.learned = self.learned = tables[0] if len(tables) == 1 else put_together(tables)
        return state.learned

    def _learn(self, state: _Level, unit: Enumerating | Drawing | Guiding, report: Report, with_faults: bool) -> None:
        new = [mark for mark in report.schedules if mark not in self._ledger.schedules]
        state.stale = 0 if new else state.stale + min(report.runs, unit.count)
        match unit:
            case Enumerating():
                self._enumerated(state, report, with_faults)
                return
            case Guiding() if state.uncounted:
                state.uncounted = 0
                return
            case Guiding():
                state.watched += report.runs
                if not state.pairs.issuperset(report.pairs):
                    state.fruitful = state.watched
                    state.pairs.update(report.pairs)
                if report.learned is not None:
                    state.lessons.append(report.learned)
            case _:
                pass
        if not state.is_done:  # else this was under way when that was found out
            self._see_the_end(state, report)

    def _see_the_end(self, state: _Level, report: Report) -> None:
        exhausted = self._ledger.exhausted
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
        state.enumerated += report.runs
        state.ways = state.ways or report.ways
        if report.is_exhausted:
            state.answers = None
            state.is_enumerated, state.is_done = True, not with_faults or not report.asked
            # Under a bound on holding back, each order is a class of its own (see faultloop.deciders.classes).
            state.uncounted = state.enumerated if report.asked and state.order == "batch" else 0
            why = f": all {state.enumerated}" if report.asked else ": no two steps were ever ready in one turn"
            self._ledger.exhausted.append(f"every order at level {state.order}{why}")
        elif report.is_cut or state.ways > ENUMERATED_MAX or state.enumerated > 2 * state.ways:
            state.answers = None
