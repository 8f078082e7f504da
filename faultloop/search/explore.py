"""Finding a failure without being told where.

In this order, within the budget: the calm run twice (it must pass, and be the same) · every single fault at every await
of the calm run · pairs of faults, waits that only the first one reached first · orders of ready tasks at level `batch`,
alone and with single faults · level `any` with its bound, only when asked for. Runs are fast ones, by step numbers; one
that fails is made again with its faults by address and everything recorded, and counts only if that run fails as well.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import Literal

from faultloop.checks.standard import Checks, judge
from faultloop.deciders.calm import Calm
from faultloop.deciders.portfolio import Portfolio
from faultloop.deciders.protocol import Decider
from faultloop.deciders.uniform import Uniform
from faultloop.drivers.asyncio_run import Scenario, Settings, execute
from faultloop.engine.choices import RecordedChoices
from faultloop.engine.compare import Divergence, divergence
from faultloop.errors import UsageError
from faultloop.model.address import parse_kind
from faultloop.model.faults import Fault, PlannedFault
from faultloop.model.limits import Limits
from faultloop.model.trace import Order
from faultloop.search.findings import Exploration, NotTried, Tally
from faultloop.search.guided import Guidance, search_guided
from faultloop.search.run import Observed, Run, Threads, describe_target, run_with
from faultloop.search.sweep import Scope, Trial, first_seen, identity, trials

DEFAULT_FAULTS = ("cancel", "expire")
"""What may happen to any await in production. Fail and Delay must be asked for: not every await may fail."""
HOLD_TURNS = 2
"""For how many turns order `any` may hold a ready task back: more, and programs that settle with a few yields break."""
DEFAULT_RUNS = 2_000
INTERRUPTED = "interrupted"
"""The reason an exploration gives when it was stopped from the keyboard."""
SATURATED_RUNS = 200
"""Orders are no longer drawn once this many in a row were seen before."""
TRIALS_PER_ORDER = 6
"""How many faults are tried on each order drawn: the order is traced once for all of them."""

LEVELS: dict[Order, tuple[Order, ...]] = {"fifo": (), "batch": ("batch",), "any": ("batch", "any")}
"""Which levels are drawn from when this is the highest one."""

Strategy = Literal["auto", "sweep", "schedules"]


@dataclass(frozen=True, slots=True)
class _Search:
    """What every stage of one exploration needs."""

    scenario: Scenario
    scope: Scope
    limits: Limits
    threads: Threads
    checks: Checks
    target: str
    tally: Tally
    hold: int | None = HOLD_TURNS

    def traced(
        self,
        planned: tuple[PlannedFault, ...] = (),
        *,
        seed: int | None = None,
        order: Order = "fifo",
        collect: bool = False,
    ) -> Observed:
        """A run with everything recorded. seed: None is calm."""
        decider: Decider = Calm() if seed is None else Uniform(seed)
        return run_with(
            self.scenario,
            decider,
            faults=planned,
            seed=seed,
            order=order,
            hold=self.hold,
            limits=self.limits,
            threads=self.threads,
            checks=self.checks,
            target=self.target,
            collect=collect,
        )


def explore(
    scenario: Scenario,
    *,
    strategy: Strategy = "auto",
    runs: int = DEFAULT_RUNS,
    time_limit: float | None = None,
    seed: int = 0,
    order: Order | None = None,
    hold: int | None = HOLD_TURNS,
    faults: Sequence[str | Fault] = DEFAULT_FAULTS,
    tasks: str = "*",
    where: str = "*",
    depth: Literal[1, 2] = 2,
    limits: Limits | None = None,
    threads: Threads = "inline",
    checks: Checks | None = None,
    target: str = "",
    on_progress: Callable[[int, int], None] | None = None,
) -> Exploration:
    """Search a scenario for failures.

    strategy: `auto` is all stages; `sweep` stops after the single faults; `schedules` draws orders only.
    runs, time_limit: the budget, in runs and in seconds of real time.   seed: of whatever is drawn.
    order: the highest level of reordering: `batch` by default, `fifo` draws none, `any` goes on to its bound.
    hold: that bound, in turns; None lifts it and lets the learned strategies of the portfolio draw.
    faults: kinds, as text (`cancel`, `expire`, `fail:OSError`, `delay:2s`) or values; none for orders alone.
    tasks, where: patterns of the victims and of their waits.   depth: 2 tries pairs of faults as well.
    on_progress: called with the runs made and the runs allowed.
    Never raises for the program's own errors. Interrupted from the keyboard it returns what it has.
    """
    _require(strategy, runs, depth, order, hold)
    began = time.perf_counter()
    tally = Tally(runs, began + time_limit if time_limit is not None else float("inf"), on_progress)
    kinds = tuple(parse_kind(kind) if isinstance(kind, str) else kind for kind in faults)
    search = _Search(
        scenario,
        Scope(kinds, tasks, where),
        limits if limits is not None else Limits(),
        threads,
        checks if checks is not None else Checks(),
        target or describe_target(scenario),
        tally,
        hold,
    )
    calm, again = search.traced(collect=True), search.traced()
    tally.runs = 2
    if (objection := _objection(calm.run, again.run)) is not None:
        return _refused(calm.run, objection, tally, time.perf_counter() - began)
    reason = ""
    try:
        with _collector_at_rest():
            _stages(search, calm, strategy, seed, order, depth)
    except KeyboardInterrupt:
        reason = INTERRUPTED  # what was found until then is kept
    return _told(calm, tally, time.perf_counter() - began, reason)


def _require(strategy: str, runs: int, depth: int, order: str | None, hold: int | None) -> None:
    if hold is not None and hold < 1:
        raise UsageError(f"hold is a number of turns from 1, or None, not {hold}", code="FL513")
    if strategy not in ("auto", "sweep", "schedules"):
        raise UsageError(f'there is no strategy "{strategy}"; there are auto, sweep and schedules', code="FL510")
    if runs < 1:
        raise UsageError(f"runs must be at least 1, got {runs}", code="FL511")
    if order is not None and order not in LEVELS:
        raise UsageError(f'there is no order "{order}"; there are "fifo", "batch" and "any"', code="FL507")
    if depth not in (1, 2):
        raise UsageError(f"depth is 1 or 2, not {depth}", code="FL512")


def _told(calm: Observed, tally: Tally, seconds: float, reason: str) -> Exploration:
    return Exploration(
        status="violated" if tally.failures else "inconclusive" if reason else "passed",
        calm=calm.run,
        reason=reason,
        runs=tally.runs,
        seconds=seconds,
        points=len(calm.waits),
        tried=tally.tried,
        first_failure_run=tally.first,
        failures=tuple(tally.failures.values()),
        not_tried=tuple(NotTried(*row) for row in sorted(tally.skipped.items())),
        schedules=1 + len(tally.schedules),
        exhausted=tuple(tally.exhausted),
    )


def _objection(calm: Run, again: Run) -> str | None:
    """Why a search would say nothing: the calm run fails, or is not the same twice."""
    if calm.status.is_failure:
        return "the scenario fails without any fault, so nothing was explored"
    if calm.trace.digest != again.trace.digest:
        difference = divergence(calm.trace, again.trace) or Divergence(0, calm.trace.digest, again.trace.digest)
        return f"not deterministic: {difference}"
    if calm.status.value != "passed":
        return f"the calm run ended as «{calm.status.value}»: {calm.trace.outcome.message}"
    return None


def _refused(calm: Run, objection: str, tally: Tally, seconds: float) -> Exploration:
    if not calm.status.is_failure:
        return Exploration("inconclusive", calm, objection, tally.runs, seconds)
    tally.note(calm, (), at_run=1)
    failures = tuple(tally.failures.values())
    return Exploration("violated", calm, objection, tally.runs, seconds, first_failure_run=1, failures=failures)


# Stages


def _stages(
    search: _Search, calm: Observed, strategy: Strategy, seed: int, order: Order | None, depth: Literal[1, 2]
) -> None:
    named = ", ".join(sorted({type(kind).__name__.lower() for kind in search.scope.kinds}))
    if strategy != "schedules" and search.scope.kinds:
        if _sweep(search, calm, None, "fifo"):
            search.tally.exhausted.append(f"every single fault ({named}) at every await of the calm run")
        if strategy == "sweep":
            return
        if depth == 2:
            _pairs(search, calm)
    levels = LEVELS[order or "batch"]
    for number, level in enumerate(levels):
        # Each level has its part: most programs have more orders at the first one than any budget has runs.
        share = search.tally.share(len(levels) - number)
        if level == "any" and search.hold is None:
            guidance = Guidance(search.scenario, search.limits, search.threads, search.checks, search.target)
            search_guided(guidance, Portfolio(Random(seed)), search.tally, share)
            continue
        _schedules(search, level, seed, share, with_faults=strategy == "auto")


def _sweep(search: _Search, parent: Observed, seed: int | None, order: Order) -> bool:
    """Every single fault of one run. Returns whether all of them were tried."""
    for trial in trials(parent, search.scope, search.tally.skip):
        if not search.tally.may_run():
            return False
        _try(search, (trial,), seed, order)
    return True


def _pairs(search: _Search, calm: Observed) -> None:
    """A second fault at waits that only the first one reached: cleanup code, and whatever else a failure leads to."""
    known = {identity(calm, wait) for wait in calm.waits}
    for first in list(trials(calm, search.scope, lambda _: None)):
        if not search.tally.may_run():
            return
        parent = search.traced((first.planned,), collect=True)
        search.tally.runs += 1
        if parent.run.status.is_failure or parent.run.not_reached:
            continue
        fresh = first_seen(parent, known, after=first.strike.at)
        known |= {identity(parent, wait) for wait in parent.waits}
        for second in trials(parent, search.scope, lambda _: None, only=fresh):
            if not search.tally.may_run():
                return
            _try(search, (first, second), None, "fifo")


def _schedules(search: _Search, order: Order, seed: int, may_run: Callable[[], bool], *, with_faults: bool) -> None:
    """Orders drawn at random, each with some of its single faults. Ends when hardly anything new is drawn."""
    tally, random = search.tally, Random(seed)
    stale = 0
    while may_run() and stale < SATURATED_RUNS:
        drawn = random.getrandbits(32)
        answers = RecordedChoices(Uniform(drawn))
        facts = execute(search.scenario, Settings(order, answers.choose, search.hold, search.threads, search.limits))
        tally.runs += 1
        choices = answers.recorded()
        if choices.count == 0:
            tally.exhausted.append(f"every order at level {order}: no two steps were ever ready in one turn")
            return
        mark = hash((order, choices.count, choices.picks))
        stale = stale + 1 if mark in tally.schedules else 0
        tally.schedules.add(mark)
        if judge(facts, search.checks).status.is_failure:
            _confirm(search, (), drawn, order, tally.runs)
        elif with_faults and search.scope.kinds and not stale and may_run():
            _faults_on(search, drawn, order, random)
    if stale >= SATURATED_RUNS:
        tally.exhausted.append(
            f"orders at level {order}, as far as drawing goes: the last {stale} had all been seen before"
        )


def _faults_on(search: _Search, seed: int, order: Order, random: Random) -> None:
    parent = search.traced(seed=seed, order=order, collect=True)
    search.tally.runs += 1
    possible = list(trials(parent, search.scope, lambda _: None))
    for trial in random.sample(possible, min(TRIALS_PER_ORDER, len(possible))):
        if not search.tally.may_run():
            return
        _try(search, (trial,), seed, order)


def _try(search: _Search, struck: tuple[Trial, ...], seed: int | None, order: Order) -> None:
    """A fast run with faults by step numbers; if it fails, the run that counts."""
    tally = search.tally
    choose = None if seed is None else Uniform(seed).choose
    settings = Settings(order, choose, search.hold, search.threads, search.limits)
    facts = execute(search.scenario, settings, strikes=tuple(trial.strike for trial in struck))
    tally.runs += 1
    if not facts.has_landed:
        tally.skip(facts.obstacle or "the await was not reached")
        return
    tally.tried += 1
    planned = tuple(trial.planned for trial in struck)
    if judge(facts, search.checks, planned).status.is_failure:
        _confirm(search, planned, seed, order, tally.runs)


def _confirm(search: _Search, planned: tuple[PlannedFault, ...], seed: int | None, order: Order, at_run: int) -> None:
    """Make a run that failed again, by address and recorded. Only if it fails again is anything claimed."""
    run = search.traced(planned, seed=seed, order=order).run
    if run.status.is_failure:
        search.tally.note(run, planned, at_run=at_run)
    else:
        search.tally.skip("a fast run failed and the recorded one did not: not deterministic?")


@contextmanager
def _collector_at_rest() -> Generator[None, None, None]:
    """Keep the garbage collector from walking over what was there before, run after run."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
