"""Finding a failure without being told where.

The calm run comes first, twice: it must pass, and be the same. What is tried then is `faultloop.search.stages`; runs
are made by `faultloop.search.runner`, here or elsewhere. What failed is shrunk (`faultloop.search.smallest`), and only
what fails again as a run of its own is told.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Literal

import msgspec

from faultloop.checks.standard import Checks
from faultloop.drivers.alarm import many_runs
from faultloop.drivers.settings import Scenario
from faultloop.engine.compare import Divergence, divergence
from faultloop.errors import UsageError
from faultloop.model.address import format_kind
from faultloop.model.coverage import Coverage
from faultloop.model.faults import Fault
from faultloop.model.limits import Limits
from faultloop.model.trace import Choices, Order, Threads
from faultloop.model.world import Io
from faultloop.search import collector
from faultloop.search.asked import nothing_to_hit, require_errors, require_search, scope_of
from faultloop.search.conditions import AnyEntropy, Conditions
from faultloop.search.coverage import source_marks
from faultloop.search.dispatch import Dispatch, crew_for
from faultloop.search.findings import UNSTEADY, Cause, Exploration, Failure, NotTried, causes_of
from faultloop.search.journal import open_journal
from faultloop.search.ledger import Ledger, OnProgress
from faultloop.search.loaded import own_sources
from faultloop.search.memory import recall, remember
from faultloop.search.mistaken import other_driver
from faultloop.search.place import find_root
from faultloop.search.program import Program, forget, make_program
from faultloop.search.run import Observed, threads_in_words
from faultloop.search.runner import Brief, observing
from faultloop.search.shrink import BUDGET
from faultloop.search.smallest import smallest
from faultloop.search.stages import Stages
from faultloop.search.sweep import trials
from faultloop.search.units import Found, Report

HOLD_TURNS = 2
"""For how many turns order `any` may hold a ready task back: more, and programs that settle with a few yields break."""
DEFAULT_RUNS = 2_000
WITH_FAULTS = ("auto", "sweep")
"""The strategies that try faults."""
EXECUTOR_LANES = 4
"""How many strategies draw side by side where an executor does the work: how many workers it has, nobody knows."""
INTERRUPTED = "interrupted"
"""The reason an exploration gives when it was stopped from the keyboard."""


@dataclass(frozen=True, slots=True)
class Files:
    """Where an exploration keeps what it comes to.

    journal: results are added to it as they come.   resume: go on with what it holds.
    memory: what strategies learn, from one exploration to the next.
    """

    journal: str | os.PathLike[str] | None = None
    resume: bool = False
    memory: str | os.PathLike[str] | None = None


def explore(
    scenario: Scenario,
    *,
    strategy: str = "auto",
    runs: int = DEFAULT_RUNS,
    time_limit: float | None = None,
    seed: int = 0,
    order: Order | None = None,
    hold: int | None = HOLD_TURNS,
    faults: Sequence[str | Fault] | None = None,
    tasks: str = "*",
    where: str = "*",
    depth: Literal[1, 2] = 2,
    first: bool = False,
    observe: Sequence[str] = (),
    jobs: int = 1,
    executor: Executor | None = None,
    limits: Limits | None = None,
    threads: Threads = "inline",
    entropy: AnyEntropy = "seeded",
    driver: str = "asyncio",
    io: Io = "auto",
    checks: Checks | None = None,
    target: str = "",
    files: Files | None = None,
    on_progress: OnProgress | None = None,
) -> Exploration:
    """Search a scenario for failures.

    strategy: `auto` is all stages; `sweep` stops after the single faults; `schedules` draws orders only; any other name
    is that of one strategy for orders (see faultloop.deciders.strategies), which then draws alone.
    runs, time_limit: the budget, in runs and in seconds of real time.   seed: of whatever is drawn.
    order: the highest level of reordering: `fifo` draws none; `batch`; `any` goes on to its bound. None is `batch`, and
    then `any` if that is saturated and nothing was found.   hold: that bound, in turns; None lifts it.
    faults: kinds, as text (`cancel`, `expire`, `fail:OSError`, `delay:2s`) or values; an empty sequence for orders
    alone. Those of the network (`net:reset`, `net` for all) are drawn along with the orders. None: `cancel`, `expire`,
    and on the nodes of a scenario that has some (see faultloop.world) `crash:1s`.
    tasks, where: patterns of the victims and of their waits.   depth: 2 tries pairs of faults as well.
    first: stop at the first failure.   observe: modules, by name or pattern, whose state is watched; runs are slower.
    jobs: processes that make the runs.   executor: any of concurrent.futures, which has them made instead.
    limits, threads, io, entropy, driver, checks, target: as for `run`.   on_progress: told how far it is, often.
    With io="real" faults alone are tried, by their addresses; a failure counts that comes twice in a row.
    Never raises for the program's own errors. Interrupted from the keyboard it returns what it has.
    Raises UsageError, TargetError, CrewError, JournalError for what is asked wrongly or cannot be had.
    """
    require_search(scenario, strategy, runs, time_limit, depth, order, hold, observe)
    under = Conditions.of(
        limits=limits,
        threads=threads,
        checks=checks,
        hold=hold,
        io=io,
        entropy=entropy,
        seed=seed,
        faults=faults or (),
        driver=driver,
    )
    program = make_program(scenario, under, target=target, scope=scope_of(faults, tasks, where), observe=observe)
    asked = _Asked(strategy, seed, order, depth, jobs, executor, files if files is not None else Files())
    return _explore(program, Ledger.opened(runs, time_limit, first, on_progress), asked)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What was asked for, apart from the program and the budget."""

    strategy: str
    seed: int
    order: Order | None
    depth: int
    jobs: int
    executor: Executor | None
    files: Files

    @property
    def needs_sources(self) -> bool:
        """Whether results of another process may be taken over: one that ended, or a worker. To look takes 20 ms."""
        return self.files.journal is not None or self.jobs > 1 or self.executor is not None

    def identity(self, program: Program, digest: str) -> dict[str, str | int | float | bool | None]:
        """What must be the same for results in a journal to be of use, apart from the sources."""
        scope, under = program.scope, program.under
        return {
            "target": program.target,
            "calm run": digest,
            "python": platform.python_version(),
            "driver": under.driver,
            "io": under.world.io,
            "threads": under.threads,
            "limits": _in_words(msgspec.to_builtins(under.limits)),
            "checks": _in_words(under.checks.changed()),
            "observe": ", ".join(program.observe),
            "strategy": self.strategy,
            "seed": self.seed,
            "order": self.order or "",
            "hold": under.hold,
            "depth": self.depth,
            "faults": ", ".join((*map(format_kind, scope.kinds + scope.implied), *under.world.faults)),
            "tasks": scope.tasks,
            "at": scope.where,
            "entropy": str(under.world.entropy),
            "jobs": self.jobs if self.executor is None else "an executor",
        }


def _in_words(changed: Mapping[str, object]) -> str:
    return ", ".join(f"{name}={value}" for name, value in changed.items()) or "the usual"


def _explore(program: Program, ledger: Ledger, asked: _Asked) -> Exploration:
    try:
        _require_one_process(program, asked)
        with (
            observing(program) as observation,
            collector.at_rest(),
            many_runs(program.under.limits.wall_seconds),
        ):
            found = _searched(program, ledger, asked)
    finally:
        forget(program.key)
    return replace(found, unseen=tuple(observation.unseen))


def _searched(program: Program, ledger: Ledger, asked: _Asked) -> Exploration:
    calm, again = program.calm(), program.traced()
    ledger.runs = 2
    if (objection := _objection(calm, again)) is not None:
        return _refused(program, calm, objection, ledger)
    require_errors(program.scope)
    digest = calm.run.trace.digest
    sources = own_sources(program.root) if asked.needs_sources else {}
    is_faulting = asked.strategy in WITH_FAULTS
    reason = nothing_to_hit(calm, program.scope) if is_faulting else ""
    lanes = asked.jobs if asked.executor is None else EXECUTOR_LANES
    with ExitStack() as open_until_the_end:
        journal = None
        if asked.files.journal is not None:
            identity = asked.identity(program, digest)
            journal = open_until_the_end.enter_context(
                open_journal(asked.files.journal, identity, Report, resume=asked.files.resume, sources=sources)
            )
        brief = Brief(program, digest, sources)
        crew = open_until_the_end.enter_context(crew_for(brief, jobs=asked.jobs, executor=asked.executor))
        stages = Stages(
            ledger,
            Dispatch(crew, ledger, journal).carry_out,
            seed=asked.seed,
            lanes=lanes,
            learned=recall(asked.files.memory) if asked.files.memory is not None else None,
            keeps=asked.files.memory is not None,
        )
        try:
            _stages(stages, program, asked, hits_nothing=bool(reason))
        except KeyboardInterrupt:
            reason = INTERRUPTED  # what was found until then is kept
    if asked.files.memory is not None and stages.learned is not None:
        remember(asked.files.memory, stages.learned)
    return _told(program, calm, ledger, reason)


def _stages(stages: Stages, program: Program, asked: _Asked, *, hits_nothing: bool) -> None:
    strategy, order = asked.strategy, asked.order
    if strategy in WITH_FAULTS and program.scope.kinds and not hits_nothing:
        planned = [trial.planned for trial in trials(program.calm(), program.scope, lambda _: None)]
        singles = len(planned)
        kinds = {*program.scope.kinds, *(each.fault for each in planned)}
        named = ", ".join(sorted({type(kind).__name__.lower() for kind in kinds}))
        stages.singles(singles, named, program.scope.awaits_in_words)
        if strategy == "auto" and asked.depth == 2:
            stages.pairs(singles)
    if strategy == "sweep" or order == "fifo":
        return
    if program.under.world.best_effort:
        stages.skip('orders of steps: with io="real" nobody could have them again')
        return
    levels: tuple[Order, ...] = ("batch",)
    if order == "any":
        levels = ("any",) if program.under.hold is None else ("batch", "any")
    extra: Order | None = "any" if order is None and program.under.hold is not None else None
    by = "auto" if strategy == "schedules" else strategy
    draws_evenly = by == "auto" and not (order == "any" and program.under.hold is None)
    with_faults = strategy == "auto" and bool(program.scope.kinds) and not hits_nothing
    stages.orders(levels, extra, by, with_faults=with_faults, draws_evenly=draws_evenly)


def _require_one_process(program: Program, asked: _Asked) -> None:
    if program.under.world.best_effort and (asked.jobs != 1 or asked.executor is not None):
        raise UsageError(
            f'io="{program.under.world.io}" is explored in one process: in another one the calm run is another one. '
            "Leave jobs at 1",
            code="FL518",
        )


# Before and after


def _objection(first: Observed, second: Observed) -> str | None:
    """Why a search would say nothing: the calm run fails, or is not the same twice."""
    calm, again = first.run, second.run
    if calm.status.is_failure:
        hint = other_driver(calm.trace.outcome.raised, calm.trace.env.driver)
        return "the scenario fails without any fault, so nothing was explored" + (f": {hint}" if hint else "")
    if calm.trace.digest != again.trace.digest and not calm.trace.world.best_effort:
        difference = divergence(calm.trace, again.trace) or Divergence(0, calm.trace.digest, again.trace.digest)
        return f"not deterministic: {difference}{threads_in_words(first, second)}"
    if calm.status.value != "passed":
        return f"the calm run ended as «{calm.status.value}»: {calm.trace.outcome.message}"
    return None


def _refused(program: Program, calm: Observed, objection: str, ledger: Ledger) -> Exploration:
    seconds = time.perf_counter() - ledger.began
    if not calm.run.status.is_failure:
        return Exploration("inconclusive", calm.run, objection, ledger.runs, seconds, points=len(calm.waits))
    causes = tuple(causes_of(calm.run.trace.outcome, ()))
    failure = smallest(program, Found(1, (), "fifo", Choices(), causes), at_run=1, budget=_budget(program))
    return Exploration(
        status="violated" if failure is not None else "inconclusive",
        calm=calm.run,
        reason=objection if failure is not None else "not deterministic: the calm run failed once, and then did not",
        runs=ledger.runs,
        seconds=seconds,
        points=len(calm.waits),
        first_failure_run=1 if failure is not None else None,
        failures=(failure,) if failure is not None else (),
    )


def _budget(program: Program) -> int:
    """How many runs shrinking a failure may take: where runs are not the same twice, a smaller one would be another."""
    return 1 if program.under.world.best_effort else BUDGET


def _told(program: Program, calm: Observed, ledger: Ledger, reason: str) -> Exploration:
    failures, attempts, was_interrupted = _shrunk(program, ledger, is_in_a_hurry=reason == INTERRUPTED)
    reason = INTERRUPTED if was_interrupted else reason
    if UNSTEADY in ledger.skipped and not reason and not program.under.world.best_effort:
        reason = UNSTEADY
    return Exploration(
        status="violated" if failures else "inconclusive" if reason else "passed",
        calm=calm.run,
        reason=reason,
        runs=ledger.runs,
        seconds=time.perf_counter() - ledger.began,
        points=len(calm.waits),
        points_tried=len({(task, parked) for task, parked, _ in ledger.hit}),
        kinds_tried=tuple(sorted({kind for _, _, kind in ledger.hit})),
        tried=ledger.tried,
        first_failure_run=ledger.first if failures else None,
        failures=failures,
        not_tried=tuple(NotTried(*row) for row in sorted(ledger.skipped.items())),
        schedules=len(ledger.schedules),
        classes=len(ledger.classes) or int(len(ledger.schedules) == 1),
        exhausted=tuple(ledger.exhausted),
        attempts=attempts,
        coverage=_coverage(calm, ledger),
    )


def _coverage(calm: Observed, ledger: Ledger) -> Coverage:
    """Of the whole exploration: the awaits of the calm run belong to it although nothing was done to them."""
    for wait in calm.waits:
        ledger.covered.seen(calm.sites.sites[wait.site])
    files = {covered.point.file for covered in ledger.covered.coverage().points}
    return ledger.covered.coverage(source_marks(files, find_root(os.getcwd())))


def _shrunk(program: Program, ledger: Ledger, *, is_in_a_hurry: bool) -> tuple[tuple[Failure, ...], int, bool]:
    """Each failure shrunk, those that come to the same told once; how many runs that took; whether it was interrupted.

    is_in_a_hurry: tell them as they were found.
    """
    ledger.stage = "shrinking"
    attempts, was_interrupted = 0, False
    told: dict[Cause, Failure] = {}
    for found in sorted(ledger.found.values(), key=lambda found: found.at_run):
        try:
            if not is_in_a_hurry:
                ledger.tell()
            failure = smallest(program, found, at_run=found.at_run, budget=1 if is_in_a_hurry else _budget(program))
        except KeyboardInterrupt:
            is_in_a_hurry = was_interrupted = True
            failure = smallest(program, found, at_run=found.at_run, budget=1)
        if failure is None:
            ledger.skipped[UNSTEADY] = ledger.skipped.get(UNSTEADY, 0) + 1
            continue
        attempts += failure.attempts
        cause = (failure.order, *causes_of(failure.trace.outcome, failure.trace.faults)[-1])
        known = told.get(cause)
        told[cause] = failure if known is None else replace(known, count=known.count + failure.count)
    return tuple(told.values()), attempts, was_interrupted
