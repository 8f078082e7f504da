"""From a run that failed to the smallest one that fails alike, on the real loop.

The shrinker (`faultloop.search.shrink`) knows no loop. Here are its attempts: recorded runs that follow a script, with
the faults at their addresses. Tasks go by their paths, which hold while a schedule changes. What comes out is made once
more, from its answers alone, and only that run is told.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec

from faultloop.checks.standard import judge
from faultloop.deciders.calm import Calm
from faultloop.deciders.replay import Replay
from faultloop.drivers.driver import driver_named
from faultloop.drivers.frames import SiteTable
from faultloop.engine.choices import RecordedChoices
from faultloop.engine.plan import Plan
from faultloop.engine.recorder import Recorder
from faultloop.model.outcome import Outcome
from faultloop.model.trace import Choices, Departure, Order, Trace
from faultloop.search.findings import Cause, Failure, how_of
from faultloop.search.program import Program, answering
from faultloop.search.shrink import BUDGET, Attempt, Listing, Orders, Script, Shrunk, follow, shrink
from faultloop.search.shrink.attempts import Faults
from faultloop.search.shrink.script import Moment, telling
from faultloop.search.shrink.stored import TaskNumbers, store_listing
from faultloop.search.units import Found

WEAKER: dict[Order, tuple[Order, ...]] = {"fifo": (), "batch": ("fifo",), "any": ("fifo", "batch")}
"""The levels below one, the weakest first: what shows there happens more easily."""


@dataclass(frozen=True, slots=True)
class _Small:
    """What makes a run: its level, faults and answers, and the other way of telling those.

    attempts: how many runs it took to get here.
    """

    order: Order
    faults: Faults
    choices: Choices
    attempts: int
    is_complete: bool


def smallest(program: Program, found: Found, *, at_run: int, budget: int = BUDGET) -> Failure | None:
    """Shrink a failure. at_run: the run of the exploration that first showed it.   budget: runs to spend, at least 1.

    Returns None when the run does not fail when it is made again: then the program is not deterministic.
    """
    first = program.traced(found.faults, order=found.order, decider=answering(found.choices)).run
    if not first.status.is_failure:
        return None
    attempts = _Attempts(program, how_of(first.trace.outcome), first.trace)
    small = attempts.shrink(found, first.trace, budget)
    run = program.traced(small.faults, order=small.order, decider=answering(small.choices)).run
    if not run.status.is_failure:
        run, small = first, _Small(found.order, found.faults, found.choices, attempts.made, False)
    choices = msgspec.structs.replace(
        run.trace.choices, base=small.choices.base, departures=small.choices.departures, blocks=small.choices.blocks
    )
    trace = msgspec.structs.replace(run.trace, choices=choices)
    return Failure(
        trace=trace,
        kind=trace.outcome.status.value,
        message=trace.outcome.message,
        fault="; ".join(map(str, trace.faults)),
        run=replace(run, trace=trace),
        deviations=trace.deviations,
        order=small.order,
        count=found.count,
        attempts=small.attempts,
        is_shrunk=small.is_complete,
        at_run=at_run,
    )


class _Attempts:
    """Runs that follow a script, and whether they fail for the same cause."""

    def __init__(self, program: Program, how: Cause, trace: Trace) -> None:
        self._program = program
        self._how = how
        self._numbers = TaskNumbers()
        for task in trace.tasks:  # numbers follow creation: the shrinker prefers older tasks
            self._numbers.number(task.path)
        self.made = 0

    def shrink(self, found: Found, trace: Trace, budget: int) -> _Small:
        """The smallest run that this knows to make."""
        order = found.order
        enough = max(budget - len(WEAKER[order]), 1)
        runs_on = order == "any" and self._program.under.hold is None
        kept: dict[tuple[Script, Faults], Choices] = {}

        def attempt(script: Script, faults: Faults) -> Attempt:
            made, kept[script, faults] = self._follow(script, faults, order)
            return made

        schedule = tuple(self._numbers.number(trace.tasks[task].path) for task in schedule_of(trace))
        can_follow = trace.stats.events_dropped == 0
        shrunk = (
            shrink(schedule, found.faults, attempt, order="any" if runs_on else "batch", budget=enough)
            if can_follow
            else None
        )
        if shrunk is None or (isinstance(shrunk.script, Listing) and not runs_on):
            return self._fewer_picks(found, budget)
        choices = _told(kept[shrunk.script, shrunk.faults], shrunk, self._numbers)
        small = _Small(order, shrunk.faults, choices, self.made, shrunk.is_complete)
        return self._weakest(small, shrunk.script)

    def _weakest(self, small: _Small, script: Script) -> _Small:
        """The same script at the weakest level that shows the failure."""
        listing = Listing(script.tasks, "oldest") if isinstance(script, Listing) else script
        for level in WEAKER[small.order]:
            made, choices = self._follow(listing if level != "fifo" else Orders(), small.faults, level)
            if made.failed:
                departures = tuple(self._departure(each.order, each.is_preemption) for each in telling(made.departures))
                told = msgspec.structs.replace(choices, base="oldest" if departures else "picks", departures=departures)
                return _Small(level, small.faults, told, self.made, small.is_complete)
        return _Small(small.order, small.faults, small.choices, self.made, small.is_complete)

    def _departure(self, order: tuple[Moment, Moment], preempts: bool) -> Departure:
        return _departure(self._numbers, order, preempts, None)

    def _follow(self, script: Script, faults: Faults, order: Order) -> tuple[Attempt, Choices]:
        recorder = Recorder(self._program.under.limits.events)
        decider = follow(script, lambda ordinal: self._numbers.number(recorder.nodes[ordinal - 1].path))
        answers = RecordedChoices(Calm())
        is_calm = order == "fifo"
        outcome, has_landed = self._run(faults, order, recorder, answers, None if is_calm else decider, is_calm=is_calm)
        if is_calm:
            return Attempt(self._is_it(outcome, has_landed), self._schedule(recorder)), Choices()
        return decider.attempt(self._is_it(outcome, has_landed)), answers.recorded()

    def _schedule(self, recorder: Recorder) -> tuple[int, ...]:
        steps = {event.step: event.task for event in recorder.events() if event.ev in ("await", "end")}
        return tuple(self._numbers.number(recorder.nodes[task].path) for task in steps.values())

    def _run(
        self,
        faults: Faults,
        order: Order,
        recorder: Recorder,
        answers: RecordedChoices,
        guide: object,
        *,
        is_calm: bool,
    ) -> tuple[Outcome, bool]:
        self.made += 1
        program = self._program
        facts, _ = driver_named(program.under.driver).execute_traced(
            program.scenario(),
            program.under.settings(order, None if is_calm else answers.choose),
            plan=Plan(faults) if faults else None,
            recorder=recorder,
            sites=SiteTable(program.root),
            guide=guide,  # type: ignore[arg-type]
            keep=answers.keep,
        )
        landed = tuple(faults[delivered.plan] for delivered in recorder.delivered)
        return judge(facts, program.under.checks, landed), len(landed) == len(faults)

    def _is_it(self, outcome: Outcome, has_landed: bool) -> bool:
        return outcome.status.is_failure and has_landed and how_of(outcome) == self._how

    def _fewer_picks(self, found: Found, budget: int) -> _Small:
        """Turn answers back to calm ones, half of them at once, down to one: for orders that no script can tell.

        An order of timers or of callbacks is such a one.
        """
        best, faults = found.choices, found.faults
        for level in WEAKER[found.order]:
            if self._answers_fail(Choices() if level == "fifo" else best, faults, level) is not None:
                found = msgspec.structs.replace(found, order=level)
                best = Choices() if level == "fifo" else best
                break
        size = max(len(best.picks), 1)
        while True:
            start = 0
            while start < len(best.picks) and self.made < budget:
                fewer = Choices(best.count, best.picks[:start] + best.picks[start + size :])
                made = self._answers_fail(fewer, faults, found.order)
                if made is not None and len(made.picks) < len(best.picks):
                    best = made
                else:
                    start += size
            if size == 1 or self.made >= budget:
                return _Small(found.order, faults, best, self.made, self.made < budget)
            size //= 2

    def _answers_fail(self, choices: Choices, faults: Faults, order: Order) -> Choices | None:
        """What a run under these answers really answered, if it fails for the same cause."""
        answers = RecordedChoices(Replay(choices))
        recorder = Recorder(self._program.under.limits.events)
        outcome, has_landed = self._run(faults, order, recorder, answers, None, is_calm=order == "fifo")
        return answers.recorded() if self._is_it(outcome, has_landed) else None


def _told(choices: Choices, shrunk: Shrunk, numbers: TaskNumbers) -> Choices:
    """The answers of a shrunk run, with its departures from the base beside them."""
    departures = tuple(
        _departure(numbers, reason.departure.order, reason.departure.is_preemption, reason.matters)
        for reason in shrunk.reasons
    )
    script = shrunk.script
    runs_on = isinstance(script, Listing) and script.base == "run-on"
    if not departures and not runs_on:
        return choices
    blocks = store_listing(script, numbers.path) if runs_on and isinstance(script, Listing) else ()
    base = "run-on" if runs_on else "oldest"
    return msgspec.structs.replace(choices, base=base, departures=departures, blocks=blocks)


def _departure(numbers: TaskNumbers, order: tuple[Moment, Moment], preempts: bool, matters: bool | None) -> Departure:
    first, then = order
    return Departure((numbers.path(first.task), first.nth), (numbers.path(then.task), then.nth), preempts, matters)


def schedule_of(trace: Trace) -> tuple[int, ...]:
    """The task of each step, as an index into `trace.tasks`, from what was recorded of the step's end."""
    steps = {event.step: event.task for event in trace.events if event.ev in ("await", "end")}
    return tuple(steps.values())
