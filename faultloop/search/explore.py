"""Finding a failure without being told where: every single fault at every await point of the calm run.

The calm run is made twice (it must pass, and be the same), then each of its waits is hit once per fault kind and phase.
Runs are fast ones, by step numbers; one that fails is made again with its fault by address and everything recorded, and
counts only if that run fails as well.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from faultloop.checks.standard import Checks, judge
from faultloop.deciders.calm import Calm
from faultloop.drivers.asyncio_run import Scenario, Settings, execute
from faultloop.drivers.asyncio_sweep import Strike
from faultloop.engine.compare import Divergence, divergence
from faultloop.errors import UsageError
from faultloop.model.address import parse_kind, task_matches
from faultloop.model.faults import Address, Cancel, Delay, Expire, Fail, Fault, PlannedFault, Step
from faultloop.model.limits import Limits
from faultloop.model.outcome import Outcome
from faultloop.model.points import Phase
from faultloop.model.trace import Trace
from faultloop.search.run import Observed, Run, Threads, describe_target, run_with

DEFAULT_FAULTS = ("cancel", "expire")
"""What may happen to any await in production. Fail and Delay must be asked for: not every await may fail."""
RIVALS_MAX = 64
"""How many other steps a wait is raced against at most: evenly spread when it lasts longer."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One cause of failure: the runs that failed alike, told by the first of them.

    kind: the outcome's status.   fault: the deviation as text.   count: how many runs failed like it.
    """

    trace: Trace
    kind: str
    message: str
    fault: str
    run: Run
    deviations: int = 1
    order: str = "fifo"
    count: int = 1


@dataclass(frozen=True, slots=True)
class NotTried:
    """Faults that could not be tried, for one reason, and how many."""

    reason: str
    count: int

    def __str__(self) -> str:
        return f"{self.count} x {self.reason}"


@dataclass(frozen=True, slots=True)
class Exploration:
    """What an exploration came to.

    status: `violated` as soon as one failure was found; `inconclusive`, with a reason, when nothing can be said.
    points: await points seen.   tried: faults tried.   not_tried: what could not be tried, and why.
    exhausted: what was tried completely, or nothing.
    """

    status: Literal["passed", "violated", "inconclusive"]
    calm: Run
    reason: str = ""
    runs: int = 0
    seconds: float = 0.0
    points: int = 0
    tried: int = 0
    first_failure_run: int | None = None
    failures: tuple[Failure, ...] = ()
    not_tried: tuple[NotTried, ...] = ()
    exhausted: str = ""


@dataclass(frozen=True, slots=True)
class _Trial:
    strike: Strike
    planned: PlannedFault


@dataclass(slots=True)
class _Tally:
    """What the sweep has seen so far."""

    runs: int = 0
    tried: int = 0
    first: int | None = None
    failures: dict[tuple[str, ...], Failure] = field(default_factory=dict)
    not_tried: dict[str, int] = field(default_factory=dict)

    def skip(self, why: str) -> None:
        self.not_tried[why] = self.not_tried.get(why, 0) + 1


def explore(
    scenario: Scenario,
    *,
    faults: Sequence[str | Fault] = DEFAULT_FAULTS,
    tasks: str = "*",
    limits: Limits | None = None,
    threads: Threads = "inline",
    checks: Checks | None = None,
    target: str = "",
    runs: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Exploration:
    """Hit every await point of the calm run with every single fault, in every phase.

    faults: kinds, as text (`cancel`, `expire`, `fail:OSError`, `delay:2s`) or values.   tasks: pattern of the victims.
    runs: stop after this many.   on_progress: called with runs made and runs planned.
    Never raises for the program's own errors.
    """
    began = time.perf_counter()
    kinds = tuple(parse_kind(kind) if isinstance(kind, str) else kind for kind in faults)
    if not kinds:
        raise UsageError("explore needs at least one fault kind", code="FL509")
    weights = checks if checks is not None else Checks()
    budget = limits if limits is not None else Limits()
    named = target or describe_target(scenario)

    def traced(planned: tuple[PlannedFault, ...] = (), *, collect: bool = False) -> Observed:
        return run_with(
            scenario,
            Calm(),
            faults=planned,
            limits=budget,
            threads=threads,
            checks=weights,
            target=named,
            collect=collect,
        )

    calm, again = traced(collect=True), traced()
    if (objection := _objection(calm.run, again.run)) is not None:
        status: Literal["violated", "inconclusive"] = "violated" if calm.run.status.is_failure else "inconclusive"
        failures = (_failure(calm.run, ""),) if status == "violated" else ()
        seconds = time.perf_counter() - began
        return Exploration(
            status, calm.run, objection, 2, seconds, len(calm.waits), 0, 1 if failures else None, failures
        )
    tally = _Tally(runs=2)
    trials = list(_trials(calm, kinds, tasks, tally))
    settings = Settings(limits=budget, threads=threads)
    is_complete = True
    with _collector_at_rest():
        for trial in trials:
            if runs is not None and tally.runs >= runs:
                is_complete = False
                break
            _try(scenario, trial, settings, weights, traced, tally)
            if on_progress is not None:
                on_progress(tally.runs, len(trials) + 2)
    names = ", ".join(kind if isinstance(kind, str) else type(kind).__name__.lower() for kind in faults)
    return Exploration(
        status="violated" if tally.failures else "passed",
        calm=calm.run,
        runs=tally.runs,
        seconds=time.perf_counter() - began,
        points=len(calm.waits),
        tried=tally.tried,
        first_failure_run=tally.first,
        failures=tuple(tally.failures.values()),
        not_tried=tuple(NotTried(*row) for row in sorted(tally.not_tried.items())),
        exhausted=f"every single fault ({names}) at every await point of the calm run" if is_complete else "",
    )


def _objection(calm: Run, again: Run) -> str | None:
    """Why a sweep would say nothing: the calm run fails, or is not the same twice."""
    if calm.status.is_failure:
        return "the scenario fails without any fault, so nothing was swept"
    if calm.trace.digest != again.trace.digest:
        difference = divergence(calm.trace, again.trace) or Divergence(0, calm.trace.digest, again.trace.digest)
        return f"not deterministic: {difference}"
    if calm.status.value != "passed":
        return f"the calm run ended as «{calm.status.value}»: {calm.trace.outcome.message}"
    return None


def _try(
    scenario: Scenario,
    trial: _Trial,
    settings: Settings,
    checks: Checks,
    traced: Callable[[tuple[PlannedFault, ...]], Observed],
    tally: _Tally,
) -> None:
    facts = execute(scenario, settings, strike=trial.strike)
    tally.runs += 1
    if not facts.has_landed:
        tally.skip(facts.obstacle or "the await was not reached")
        return
    tally.tried += 1
    outcome = judge(facts, checks, (trial.planned,))
    if not outcome.status.is_failure:
        return
    run = traced((trial.planned,)).run
    if not run.status.is_failure:
        tally.skip("a fast run failed and the recorded one did not (not deterministic?)")
        return
    tally.first = tally.first or tally.runs
    cause = _cause(run.trace.outcome, trial.planned)
    known = tally.failures.get(cause)
    if known is None:
        tally.failures[cause] = _failure(run, str(trial.planned))
    else:
        tally.failures[cause] = Failure(
            known.trace, known.kind, known.message, known.fault, known.run, count=known.count + 1
        )


def _failure(run: Run, fault: str) -> Failure:
    outcome = run.trace.outcome
    return Failure(run.trace, outcome.status.value, outcome.message, fault, run, run.trace.deviations)


def _cause(outcome: Outcome, planned: PlannedFault) -> tuple[str, ...]:
    """What makes two failures one: the site and phase they were hit at, and how and where they failed."""
    raised = outcome.raised
    how = (raised.type, raised.place) if raised is not None else (outcome.status.value, "")
    return (planned.at.where, planned.at.phase.value, type(planned.fault).__name__, *how)


def _trials(calm: Observed, kinds: tuple[Fault, ...], tasks: str, tally: _Tally) -> Iterator[_Trial]:
    """Every single fault of the calm run: parked everywhere, then woken, then racing."""
    waits = [wait for wait in calm.waits if task_matches(tasks, wait.node.path)]
    for phase in (Phase.PARKED, Phase.WOKEN, Phase.RACING):
        for wait in waits:
            for kind in kinds:
                yield from _trials_of(calm, kind, phase, calm.waits.index(wait), tally)


def _trials_of(calm: Observed, kind: Fault, phase: Phase, index: int, tally: _Tally) -> Iterator[_Trial]:
    wait = calm.waits[index]
    site = calm.sites.sites[wait.site]
    where = f"{site.function}>{site.awaited}"
    if isinstance(kind, Expire) and not wait.has_deadline:
        if phase is Phase.PARKED:
            tally.skip("expire: no deadline covers the await")
        return
    if isinstance(kind, Fail) and wait.is_bare:
        if phase is Phase.PARKED:
            tally.skip("fail: a bare yield (sleep(0)) cannot fail")
        return
    if isinstance(kind, Expire | Delay) and phase is not Phase.WOKEN:
        return  # both act on the wake-up: one phase says it all
    address = Address(wait.node.path, where, wait.nth, phase)
    match phase:
        case Phase.PARKED:
            yield _Trial(Strike(kind, phase, wait.parked, wait.parked), PlannedFault(kind, address))
        case Phase.WOKEN if wait.woken and not (wait.is_bare and isinstance(kind, Cancel)):
            yield _Trial(Strike(kind, phase, wait.parked, wait.woken), PlannedFault(kind, address))
        case Phase.RACING if not wait.is_bare:
            for step, rival in _rivals(calm, index):
                planned = PlannedFault(kind, Address(wait.node.path, where, wait.nth, phase, rival))
                yield _Trial(Strike(kind, phase, wait.parked, step), planned)
        case _:
            return


def _rivals(calm: Observed, index: int) -> list[tuple[int, Step]]:
    """The steps of other tasks that a wait lasts through, each named by the wait it goes on from.

    The step right after the wait began is left out: being hit before it is being hit while parked.
    """
    wait = calm.waits[index]
    end = wait.woken or (1 << 62)
    rivals: list[tuple[int, Step]] = []
    for other in calm.waits:
        if other is not wait and wait.parked + 1 < other.woken < end:
            site = calm.sites.sites[other.site]
            rivals.append((other.woken, Step(other.node.path, f"{site.function}>{site.awaited}", other.nth)))
    rivals.sort(key=lambda row: row[0])
    if len(rivals) <= RIVALS_MAX:
        return rivals
    return [rivals[i * len(rivals) // RIVALS_MAX] for i in range(RIVALS_MAX)]


class _collector_at_rest:
    """Keep the garbage collector from walking over what was there before, run after run."""

    def __enter__(self) -> None:
        gc.collect()
        gc.freeze()

    def __exit__(self, *_: object) -> None:
        gc.unfreeze()
