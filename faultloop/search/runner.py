"""Carrying out the units of an exploration, in whichever process.

Runs are fast ones, by step numbers. One that fails is made again with its faults by address and everything recorded,
and counts only if that run fails as well; of those that fail alike within a unit, only the first is made again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from random import Random

from faultloop.checks.standard import clean, describe, judge
from faultloop.deciders.odometer import Odometer
from faultloop.deciders.protocol import Decider
from faultloop.deciders.strategies import SYSTEMATIC
from faultloop.deciders.uniform import Uniform
from faultloop.deciders.unseen import Fresh
from faultloop.drivers.alarm import many_runs
from faultloop.drivers.driver import driver_named
from faultloop.drivers.facts import Facts, Wait
from faultloop.drivers.keyboard import listen, stop_listening
from faultloop.drivers.observed.observing import Observation, observed
from faultloop.drivers.own import begin_with
from faultloop.engine.choices import RecordedChoices
from faultloop.errors import NotDeterministic
from faultloop.model.faults import PlannedFault
from faultloop.model.outcome import Status
from faultloop.model.trace import Choices, Order
from faultloop.search.findings import UNSTEADY, causes_of
from faultloop.search.lane import Lane
from faultloop.search.program import Program, answering, require_same_sources
from faultloop.search.run import Observed
from faultloop.search.sweep import Trial, first_seen, identity, trials
from faultloop.search.tally import Alike, Tally
from faultloop.search.units import (
    CALM,
    TRIALS_PER_ORDER,
    Commission,
    Drawing,
    Enumerating,
    Found,
    Guiding,
    Reached,
    Reaching,
    Report,
    Seconds,
    Singles,
    Unit,
)
from faultloop.world.entropy import kept

ORDER_NUMBERS: dict[Order, int] = {"fifo": 0, "batch": 1, "any": 2}
_OVER_LIMIT = "it ran over a limit: cannot tell"

_observing: set[str] = set()
"""The programs whose modules are observed in this process, and so in those forked from it."""
_for_good = ExitStack()
"""Never closed: a process that only works for others observes for as long as it lives."""


@dataclass(frozen=True, slots=True)
class Brief:
    """What a process has to know before its first unit.

    digest: of the calm run, which must be the same everywhere.   sources: of the program, likewise.
    """

    program: Program
    digest: str
    sources: Mapping[str, str]


def prepare(brief: Brief) -> Callable[[Commission], Report]:
    """What does units in this process.

    Raises TargetError, CrewError (FL408) if the program is another one here, NotDeterministic if its calm run is.
    """
    if brief.program.key not in _observing:
        _for_good.enter_context(observing(brief.program))
    require_same_sources(brief.program, brief.sources)
    runner = Runner(brief.program)
    here = brief.program.calm().run.trace
    if here.digest != brief.digest:
        raise NotDeterministic(
            "in another process the calm run is another one: nothing that is found there would hold here. "
            "A set of strings, perhaps: set PYTHONHASHSEED for all of them. See: python -m faultloop doctor"
        )
    return runner.carry_out


@contextmanager
def observing(program: Program) -> Generator[Observation]:
    """Observe what the program wants observed, here and in processes that are forked meanwhile.

    Chance and clocks of the runs are kept in place as well, for as long.
    """
    with kept(program.under.world.entropy), observed(program.observe) as observation:
        _observing.add(program.key)
        try:
            yield observation
        finally:
            _observing.discard(program.key)


class Runner:
    """One process's part in an exploration. What it keeps between units only saves time."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._scenario = program.scenario()
        self._driver = driver_named(program.under.driver)
        self._singles: tuple[Trial, ...] | None = None
        self._skipped: dict[str, int] = {}
        self._lanes: dict[tuple[str, str, int], Lane] = {}

    def carry_out(self, commission: Commission) -> Report:
        """Make a unit's runs. Interrupted from the keyboard, it returns what it has."""
        unit, seconds = commission.unit, commission.seconds
        begin_with(self._scenario)  # a worker may serve several explorations at a time
        end = time.perf_counter() + seconds if seconds is not None else float("inf")
        tally = Tally(commission.runs, end, commission.stops_at_first)
        is_listening = listen()  # between two runs as well
        try:
            with many_runs(self._program.under.limits.wall_seconds):
                return self._made(unit, tally)
        except KeyboardInterrupt:
            tally.is_cut = True
            return tally.report(is_interrupted=True)
        finally:
            stop_listening(is_listening)

    def _made(self, unit: Unit, tally: Tally) -> Report:
        match unit:
            case Singles():
                return self._try_singles(unit, tally)
            case Reaching():
                return self._reach(unit, tally)
            case Seconds():
                return self._try_seconds(unit, tally)
            case Enumerating():
                return self._enumerate(unit, tally)
            case Drawing():
                return self._draw(unit, tally)
            case Guiding():
                return self._guide(unit, tally)

    # Faults on the calm run

    def singles(self) -> tuple[Trial, ...]:
        """Every single fault of the calm run."""
        if self._singles is None:
            notes = Tally(0, 0.0)
            self._singles = tuple(trials(self._program.calm(), self._program.scope, notes.skip))
            self._skipped = notes.skipped
        return self._singles

    def _try_singles(self, unit: Singles, tally: Tally) -> Report:
        if unit.start == 0:
            self.singles()
            tally.skipped.update(self._skipped)
            for trial in self.singles():
                tally.covered.can(trial.site, trial.chance)
        for trial in self.singles()[unit.start : unit.stop]:
            if not tally.may_run():
                break
            if self._try(tally, (trial,), "fifo", None):
                strike = trial.strike
                tally.hit.append((strike.victim, strike.parked, trial.chance[0]))
        return tally.report()

    def _reach(self, unit: Reaching, tally: Tally) -> Report:
        calm = self._program.calm()
        known = {identity(calm, wait) for wait in calm.waits}
        reached: list[tuple[Reached, ...]] = []
        for first in self.singles()[unit.start : unit.stop]:
            if not tally.may_run():
                break
            parent = self._program.traced((first.planned,), collect=True)
            tally.runs += 1
            is_of_use = not parent.run.status.is_failure and not parent.run.not_reached
            fresh = first_seen(parent, known, after=first.strike.at) if is_of_use else set[int]()
            waits = [wait for wait in parent.waits if wait.parked in fresh]
            for wait in waits:
                tally.covered.seen(parent.sites.sites[wait.site])
            reached.append(self._reached(parent, waits))
        return tally.report(reached=tuple(reached))

    def _reached(self, parent: Observed, waits: list[Wait]) -> tuple[Reached, ...]:
        """Waits, and how many faults each can have: what runs have to be set aside for them is known before they are
        given out.
        """
        counted = dict.fromkeys((identity(parent, wait) for wait in waits), 0)
        began = {wait.parked: identity(parent, wait) for wait in waits}
        for trial in trials(parent, self._program.scope, lambda _: None, only=set(began)):
            counted[began[trial.strike.parked]] += 1
        return tuple(counted.items())

    def _try_seconds(self, unit: Seconds, tally: Tally) -> Report:
        first = self.singles()[unit.first]
        parent = self._program.traced((first.planned,), collect=True)
        tally.runs += 1
        wanted = set(unit.at)
        only = {wait.parked for wait in parent.waits if identity(parent, wait) in wanted}
        seconds = list(trials(parent, self._program.scope, lambda _: None, only=only))
        for second in seconds:
            tally.covered.can(second.site, second.chance)
        for second in seconds:
            if not tally.may_run():
                break
            self._try(tally, (first, second), "fifo", None)
        return tally.report()

    # Orders

    def _enumerate(self, unit: Enumerating, tally: Tally) -> Report:
        following: tuple[int, ...] | None = unit.answers
        has_asked, ways = False, 0
        for _ in range(unit.count):
            if following is None or not tally.may_run():
                break
            odometer = Odometer(following)
            answers = RecordedChoices(odometer)
            facts = self._driver.execute(self._scenario, self._program.under.settings(unit.order, answers.choose))
            tally.runs += 1
            following, ways = odometer.following(), ways or odometer.ways
            choices = answers.recorded()
            has_asked = has_asked or choices.count > 0
            tally.schedules[_mark(unit.order, choices)] = None
            if self._failed(tally, facts):
                self._confirm(tally, facts, (), unit.order, choices)
        return tally.report(asked=has_asked, ways=ways, following=following or (), is_exhausted=following is None)

    def _draw(self, unit: Drawing, tally: Tally) -> Report:
        random = Random(unit.seed)
        has_asked = False
        faulted = 0
        for _ in range(unit.count):
            if not tally.may_run():
                break
            seed = random.getrandbits(32)
            answers = RecordedChoices(Uniform(seed))
            facts = self._driver.execute(self._scenario, self._program.under.settings(unit.order, answers.choose))
            tally.runs += 1
            choices = answers.recorded()
            if choices.count == 0:
                break
            has_asked = True
            mark = _mark(unit.order, choices)
            is_new = mark not in tally.schedules
            tally.schedules[mark] = None
            if self._failed(tally, facts):
                self._confirm(tally, facts, (), unit.order, choices)
            elif faulted < unit.faulted and is_new and tally.may_run():
                faulted += 1
                self._try_some(tally, unit.order, seed, random)
        return tally.report(asked=has_asked)

    def _try_some(self, tally: Tally, order: Order, seed: int, random: Random) -> None:
        """Some of the single faults of one order."""
        parent = self._program.traced(order=order, decider=Uniform(seed), collect=True)
        tally.runs += 1
        possible = list(trials(parent, self._program.scope, lambda _: None))
        for trial in random.sample(possible, min(TRIALS_PER_ORDER, len(possible))):
            if not tally.may_run():
                return
            self._try(tally, (trial,), order, seed)

    def _guide(self, unit: Guiding, tally: Tally) -> Report:
        lane = self._lane(unit)
        strategy = lane.strategy
        is_systematic = unit.strategy in SYSTEMATIC
        random = Random(f"ties {unit.seed} {unit.part}")
        has_asked = False
        for _ in range(unit.count):
            if strategy.is_exhausted or not tally.may_run():
                break
            decider = strategy.decider()
            ties = None if is_systematic else Uniform(random.getrandbits(32)).choose
            settings = self._program.under.settings(unit.order, ties)
            guided = self._driver.execute_guided(
                self._scenario, settings, decider, sites=lane.sites, footprints=strategy.needs_footprints
            )
            tally.runs += 1
            has_asked = has_asked or guided.choices.count > 0
            tally.schedules[_mark(unit.order, guided.choices)] = None
            tally.pairs.update(dict.fromkeys(lane.pairs(guided)))
            if isinstance(decider, Fresh) and (mark := decider.position.mark) is not None:
                tally.classes[mark] = None
            failed = self._failed(tally, guided.facts)
            strategy.learn(decider, failed=failed)
            if failed:
                self._confirm(tally, guided.facts, (), unit.order, guided.choices)
        return tally.report(
            asked=has_asked,
            is_exhausted=strategy.is_exhausted,
            learned=lane.save() if unit.saves else None,
        )

    def _lane(self, unit: Guiding) -> Lane:
        key = (unit.order, unit.strategy, unit.seed)
        lane = self._lanes.get(key)
        if lane is None or lane.part != unit.part:
            lane = self._lanes[key] = Lane(unit, unit.part, self._program.under.hold)
        lane.part += 1
        return lane

    # One run

    def _try(self, tally: Tally, struck: tuple[Trial, ...], order: Order, seed: int | None) -> bool:
        """A fast run with faults by step numbers; if it fails, the run that counts. Returns whether they landed."""
        if self._program.under.world.best_effort:
            return self._try_by_address(tally, tuple(trial.planned for trial in struck))
        answers = RecordedChoices(Uniform(seed)) if seed is not None else None
        settings = self._program.under.settings(order, answers.choose if answers is not None else None)
        facts = self._driver.execute(self._scenario, settings, strikes=tuple(trial.strike for trial in struck))
        tally.runs += 1
        if not facts.has_landed:
            tally.skip(facts.obstacle or "the await was not reached")
            return False
        tally.tried += 1
        tally.covered.tried(struck[-1].site, struck[-1].chance)
        planned = tuple(trial.planned for trial in struck)
        if self._failed(tally, facts, planned):
            choices = answers.recorded() if answers is not None else Choices()
            self._confirm(tally, facts, planned, order, choices)
        return True

    def _failed(self, tally: Tally, facts: Facts, planned: tuple[PlannedFault, ...] = ()) -> bool:
        """Whether a run failed. One that used up a limit may have failed or not: that is said, not passed over."""
        status = judge(facts, self._program.under.checks, planned).status
        if status is Status.OVER_LIMIT:
            tally.skip(_OVER_LIMIT)
        return status.is_failure

    def _try_by_address(self, tally: Tally, planned: tuple[PlannedFault, ...]) -> bool:
        """A recorded run with faults by address, which hold where step numbers are not the same twice.

        Returns whether they landed.
        """
        observed = self._program.traced(planned)
        tally.runs += 1
        if observed.run.not_reached:
            tally.skip("the await was not reached")
            return False
        tally.tried += 1
        if self._failed(tally, observed.facts, planned):
            self._confirm(tally, observed.facts, planned, "fifo", Choices())
        return True

    def _confirm(
        self, tally: Tally, facts: Facts, planned: tuple[PlannedFault, ...], order: Order, choices: Choices
    ) -> None:
        """Make a run that failed again, by address and recorded. Only if it fails again is anything claimed."""
        alike = _alike(facts, planned)
        known = tally.found.get(alike)
        if known is not None:
            tally.found[alike] = _once_more(known)
            return
        if alike in tally.found:
            return
        decider: Decider = answering(choices)
        run = self._program.traced(planned, order=order, decider=decider).run
        if not run.status.is_failure:
            tally.found[alike] = None
            tally.skip(UNSTEADY)
            return
        causes = tuple(causes_of(run.trace.outcome, planned))
        tally.found[alike] = Found(tally.runs, planned, order, run.trace.choices, causes)


def _mark(order: Order, choices: Choices) -> int:
    """What tells two orders of one level apart. Of integers only, so that it is the same in every process.

    To answer with the oldest everywhere is asyncio's own order at every level, and so the calm run's.
    """
    return CALM if not choices.picks else hash((ORDER_NUMBERS[order], choices.count, choices.picks))


def _alike(facts: Facts, planned: tuple[PlannedFault, ...]) -> Alike:
    halted = type(facts.halted).__name__ if facts.halted is not None else ""
    error = clean(describe(facts.error))[:80] if facts.error is not None else ""
    hits = tuple((each.at.where, each.at.phase.value, type(each.fault).__name__) for each in planned)
    return (hits, halted, error, Status.VIOLATED if facts.complaints else "")


def _once_more(found: Found) -> Found:
    return Found(found.at_run, found.faults, found.order, found.choices, found.causes, found.count + 1)
