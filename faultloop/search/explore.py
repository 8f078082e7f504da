"""Finding a failure without being told where.

The calm run comes first, twice: it must pass, and be the same. What is tried then is `faultloop.search.stages`; runs
are made by `faultloop.search.worker`, here or elsewhere. What failed is shrunk (`faultloop.search.smallest`), and only
what fails again as a run of its own is told.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Literal

from faultloop.checks.standard import Checks
from faultloop.deciders.strategies import STRATEGIES
from faultloop.drivers.asyncio_run import Scenario
from faultloop.engine.compare import Divergence, divergence
from faultloop.errors import UsageError
from faultloop.model.address import parse_kind
from faultloop.model.entropy import Entropy
from faultloop.model.faults import Fault
from faultloop.model.limits import Limits
from faultloop.model.trace import Choices, Order, Threads
from faultloop.search.findings import Cause, Exploration, Failure, NotTried, causes_of
from faultloop.search.ledger import Ledger, OnProgress
from faultloop.search.place import find_root
from faultloop.search.program import Program, forget, register
from faultloop.search.run import Observed, describe_target, read_entropy, threads_in_words
from faultloop.search.smallest import smallest
from faultloop.search.stages import Stages
from faultloop.search.units import Found, Report, Unit
from faultloop.search.worker import Worker
from faultloop.world.entropy import kept

DEFAULT_FAULTS = ("cancel", "expire")
"""What may happen to any await in production. Fail and Delay must be asked for: not every await may fail."""
HOLD_TURNS = 2
"""For how many turns order `any` may hold a ready task back: more, and programs that settle with a few yields break."""
DEFAULT_RUNS = 2_000
INTERRUPTED = "interrupted"
"""The reason an exploration gives when it was stopped from the keyboard."""
OF_ITS_OWN = ("auto", "sweep", "schedules")
"""What a strategy may be besides the deciders' own."""


def explore(
    scenario: Scenario,
    *,
    strategy: str = "auto",
    runs: int = DEFAULT_RUNS,
    time_limit: float | None = None,
    seed: int = 0,
    order: Order | None = None,
    hold: int | None = HOLD_TURNS,
    faults: Sequence[str | Fault] = DEFAULT_FAULTS,
    tasks: str = "*",
    where: str = "*",
    depth: Literal[1, 2] = 2,
    first: bool = False,
    limits: Limits | None = None,
    threads: Threads = "inline",
    entropy: Entropy | Literal["seeded", "real"] = "seeded",
    checks: Checks | None = None,
    target: str = "",
    on_progress: OnProgress | None = None,
) -> Exploration:
    """Search a scenario for failures.

    strategy: `auto` is all stages; `sweep` stops after the single faults; `schedules` draws orders only; any other name
    is that of one strategy for orders (see faultloop.deciders.strategies), which then draws alone.
    runs, time_limit: the budget, in runs and in seconds of real time.   seed: of whatever is drawn.
    order: the highest level of reordering: `fifo` draws none; `batch`; `any` goes on to its bound. None is `batch`, and
    then `any` if that is saturated and nothing was found.
    hold: that bound, in turns; None lifts it, and then `any` draws alone.
    entropy: of all its runs alike: `seeded` draws from `seed`.
    faults: kinds, as text (`cancel`, `expire`, `fail:OSError`, `delay:2s`) or values; none for orders alone.
    tasks, where: patterns of the victims and of their waits.   depth: 2 tries pairs of faults as well.
    first: stop at the first failure.   on_progress: told how far it is, several times a second.
    Never raises for the program's own errors. Interrupted from the keyboard it returns what it has.
    """
    _require(strategy, runs, depth, order, hold)
    began = time.perf_counter()
    kinds = tuple(parse_kind(kind) if isinstance(kind, str) else kind for kind in faults)
    program = Program(
        number=register(scenario),
        target=target or describe_target(scenario),
        root=str(find_root(os.getcwd())),
        kinds=kinds,
        tasks=tasks,
        where=where,
        limits=limits if limits is not None else Limits(),
        threads=threads,
        checks=checks if checks is not None else Checks(),
        hold=hold,
        entropy=read_entropy(entropy, seed),
    )
    ledger = Ledger(runs, began, began + time_limit if time_limit is not None else float("inf"), first, on_progress)
    try:
        with kept(program.entropy), _collector_at_rest():
            return _explore(program, ledger, strategy, seed, order, depth)
    finally:
        forget(program.number)


def _explore(
    program: Program, ledger: Ledger, strategy: str, seed: int, order: Order | None, depth: int
) -> Exploration:
    calm, again = program.traced(collect=True), program.traced()
    ledger.runs = 2
    if (objection := _objection(calm, again)) is not None:
        return _refused(program, calm, objection, ledger)
    worker = Worker(program)

    def carry_out(units: Iterable[Unit]) -> Iterator[tuple[Unit, Report]]:
        for unit in units:
            runs, seconds = ledger.allow(unit)
            yield unit, worker.carry_out(unit, runs=runs, seconds=seconds)

    stages = Stages(ledger, carry_out, seed=seed, saves=False)
    reason = ""
    try:
        _stages(stages, program, len(worker.singles()), strategy, order, depth)
    except KeyboardInterrupt:
        reason = INTERRUPTED  # what was found until then is kept
    return _told(program, calm, ledger, reason)


def _stages(stages: Stages, program: Program, singles: int, strategy: str, order: Order | None, depth: int) -> None:
    if strategy in ("auto", "sweep") and program.kinds:
        stages.singles(singles, ", ".join(sorted({type(kind).__name__.lower() for kind in program.kinds})))
        if strategy == "auto" and depth == 2:
            stages.pairs(singles)
    if strategy == "sweep" or order == "fifo":
        return
    levels: tuple[Order, ...] = ("batch",)
    if order == "any":
        levels = ("any",) if program.hold is None else ("batch", "any")
    extra: Order | None = "any" if order is None and program.hold is not None else None
    by = "auto" if strategy == "schedules" else strategy
    stages.orders(levels, extra, by, with_faults=strategy == "auto" and bool(program.kinds))


def _require(strategy: str, runs: int, depth: int, order: str | None, hold: int | None) -> None:
    if hold is not None and hold < 1:
        raise UsageError(f"hold is a number of turns from 1, or None, not {hold}", code="FL513")
    if strategy not in OF_ITS_OWN and strategy not in STRATEGIES:
        names = ", ".join(dict.fromkeys((*OF_ITS_OWN, *STRATEGIES)))
        raise UsageError(f'there is no strategy "{strategy}"; there are {names}', code="FL510")
    if runs < 1:
        raise UsageError(f"runs must be at least 1, got {runs}", code="FL511")
    if order not in (None, "fifo", "batch", "any"):
        raise UsageError(f'there is no order "{order}"; there are "fifo", "batch" and "any"', code="FL507")
    if depth not in (1, 2):
        raise UsageError(f"depth is 1 or 2, not {depth}", code="FL512")


# Before and after


def _objection(first: Observed, second: Observed) -> str | None:
    """Why a search would say nothing: the calm run fails, or is not the same twice."""
    calm, again = first.run, second.run
    if calm.status.is_failure:
        return "the scenario fails without any fault, so nothing was explored"
    if calm.trace.digest != again.trace.digest:
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
    failure = smallest(program, Found(1, (), "fifo", Choices(), causes), at_run=1)
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


def _told(program: Program, calm: Observed, ledger: Ledger, reason: str) -> Exploration:
    failures, attempts = _shrunk(program, ledger)
    return Exploration(
        status="violated" if failures else "inconclusive" if reason else "passed",
        calm=calm.run,
        reason=reason,
        runs=ledger.runs,
        seconds=time.perf_counter() - ledger.began,
        points=len(calm.waits),
        tried=ledger.tried,
        first_failure_run=ledger.first if failures else None,
        failures=failures,
        not_tried=tuple(NotTried(*row) for row in sorted(ledger.skipped.items())),
        schedules=1 + len(ledger.schedules),
        classes=len(ledger.classes),
        exhausted=tuple(ledger.exhausted),
        attempts=attempts,
    )


def _shrunk(program: Program, ledger: Ledger) -> tuple[tuple[Failure, ...], int]:
    """Each failure shrunk, those that come to the same told once; and how many runs that took."""
    ledger.stage = "shrinking"
    attempts = 0
    told: dict[Cause, Failure] = {}
    for found in sorted(ledger.found.values(), key=lambda found: found.at_run):
        ledger.tell()
        failure = smallest(program, found, at_run=found.at_run)
        if failure is None:
            ledger.skipped["a failure that did not fail again: not deterministic?"] = 1
            continue
        attempts += failure.attempts
        cause = (failure.order, *causes_of(failure.trace.outcome, failure.trace.faults)[-1])
        known = told.get(cause)
        told[cause] = failure if known is None else replace(known, count=known.count + failure.count)
    return tuple(told.values()), attempts


@contextmanager
def _collector_at_rest() -> Generator[None, None, None]:
    """Keep the garbage collector from walking over what was there before, run after run."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
