"""One test from beginning to end: a calm run, which must pass; then the search; then the smallest failure once more.

Rule 1: a test that fails without any fault is told as plain pytest tells it, once.
Rule 2: what is told of a failure was seen twice: by the search, and when its trace was replayed for the report.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from faultloop.checks.standard import Checks, judge
from faultloop.deciders.uniform import Uniform
from faultloop.drivers.driver import driver_named
from faultloop.errors import FaultloopError
from faultloop.model.faults import NANOSECONDS
from faultloop.model.limits import Limits
from faultloop.model.outcome import Outcome, Status
from faultloop.model.text import counted, plural
from faultloop.pytest_plugin import APART, SUMMARY, TRACE, UNSTRUCK
from faultloop.pytest_plugin.hosts import OtherDriver
from faultloop.pytest_plugin.items import driver_of, is_given
from faultloop.pytest_plugin.options import Ask
from faultloop.pytest_plugin.performance import Performance, interruptible, quietly
from faultloop.pytest_plugin.result import Result
from faultloop.pytest_plugin.traces import commands, keep_coverage, keep_pages, keep_traces, seed_of, shown
from faultloop.report.failure import needs_line
from faultloop.report.story import story
from faultloop.report.words import clean
from faultloop.search.conditions import Conditions
from faultloop.search.explore import INTERRUPTED, explore
from faultloop.search.replay import Replay, replay
from faultloop.search.run import run
from faultloop.search.tracefile import load_trace

if TYPE_CHECKING:
    from faultloop.model.trace import Order, Threads
    from faultloop.search.findings import Exploration, Failure

STORIES_SHOWN_MAX = 3


def carry_out(item: pytest.Item, ask: Ask, *, trace: str = "") -> Result:
    """Run a test as it was asked for. trace: the file of one that is to be replayed instead."""
    began = time.perf_counter()
    performance = Performance(item)
    try:
        if trace:
            result = _replayed(item, performance, Path(trace))
        elif is_given(item):
            from faultloop.pytest_plugin.hypothesis_tests import carry_out_given

            result = carry_out_given(item, ask, driver_of(item))
        else:
            result = _found(item, ask, performance)
    except FaultloopError as error:
        result = Result(performance.reports)
        if not result.reports:
            raise
        result.fail(f"faultloop: {error}")
    calls = [report for report in result.reports if report.when == "call"]
    if calls:
        calls[0].duration = time.perf_counter() - began
    return result


@dataclass(frozen=True, slots=True)
class _Calm:
    """The run that decides whether there is anything to search."""

    outcome: Outcome
    now: int
    steps: int
    driver: str

    @property
    def time(self) -> str:
        """How long it took, in virtual time."""
        return f"{self.now / NANOSECONDS:.3f} s virtual"


def _calm_run(item: pytest.Item, ask: Ask, performance: Performance) -> _Calm:
    """Run a test as plain pytest does, but in virtual time.

    Not recorded: a recording keeps every task, and tests look at what is left in memory. A seed draws an order.
    """

    def on(driver: str) -> _Calm:
        threads = cast("Threads", ask.threads or ("paced" if driver == "asyncio" else "real"))
        under = Conditions.of(threads=threads, seed=ask.seed, driver=driver)
        is_drawn = ask.mode == "run" and ask.seed is not None
        order = cast("Order", ask.order or "batch") if is_drawn else "fifo"
        choose = Uniform(ask.seed or 0).choose if is_drawn else None
        facts = driver_named(driver).execute(performance.told(), under.settings(order, choose))
        return _Calm(judge(facts, under.checks), facts.now, facts.steps, driver)

    try:
        return on(driver_of(item))
    except OtherDriver as other:
        return on(other.name)


def _found(item: pytest.Item, ask: Ask, performance: Performance) -> Result:
    began = time.perf_counter()
    calm = _calm_run(item, ask, performance)
    result = Result(performance.reports)
    if not result.is_plain_pass:
        _tell_calm_failure(item, result, calm, explores=ask.mode == "explore")
        return result
    if not calm.steps:
        result.carry(APART, "they ran on a loop of their own [FL810]")
        return result
    # What a calm run comes to already is not the work of any fault: the test passes, and this no longer counts.
    noted = f", noted: {clean(calm.outcome.message, 200)}" if calm.outcome.status.is_failure else ""
    if ask.mode != "explore":
        result.carry(SUMMARY, calm.time + noted)
        return result
    checks = Checks(unretrieved="note") if noted else Checks()
    with quietly(item.config), interruptible():
        found = _search(item, ask, performance, calm.driver, checks)
    was_interrupted = found.reason == INTERRUPTED
    if was_interrupted and not found.failures:
        raise KeyboardInterrupt
    keep_coverage(item, ask.directory, found.coverage)
    if found.failures:
        result = _told(item, ask, found, performance)
        result.was_interrupted = was_interrupted
        return result
    result.carry(SUMMARY, _summary_of(found, time.perf_counter() - began) + noted)
    if (ask.tasks, ask.where) != ("*", "*") and ask.faults and found.status != "violated" and not found.tried:
        narrowed = (("tasks", ask.tasks), ("at", ask.where))
        said = " and ".join(f'{name} "{clean(pattern, 100)}"' for name, pattern in narrowed if pattern != "*")
        result.carry(UNSTRUCK, f"none of their awaits matches {said}")
    return result


def _tell_calm_failure(item: pytest.Item, result: Result, calm: _Calm, *, explores: bool) -> None:
    """Say what plain pytest does not: who waits for whom, and that nothing was searched."""
    if calm.outcome.status in (Status.DEADLOCKED, Status.LIVELOCKED):
        with quietly(item.config):
            result.tell(story(run(Performance(item).untold(), driver=calm.driver, target=item.nodeid).trace))
    elif explores and any(report.failed for report in result.reports):
        result.tell("It fails without any fault, so nothing was explored.")


def _search(item: pytest.Item, ask: Ask, performance: Performance, driver: str, checks: Checks) -> Exploration:
    """Search for a failure of this test."""
    return explore(
        performance.untold(),
        strategy=ask.strategy,
        runs=ask.runs,
        time_limit=ask.time,
        seed=seed_of(item, ask.seed),
        order=cast("Order | None", ask.order),
        faults=ask.faults,
        tasks=ask.tasks,
        where=ask.where,
        observe=ask.observe,
        first=item.config.getoption("maxfail") == 1,
        driver=driver,
        threads=cast("Threads", ask.threads or "inline"),
        checks=checks,
        limits=Limits(wall_seconds=max(ask.time, 1.0)),
        target=item.nodeid,
    )


def _summary_of(found: Exploration, seconds: float) -> str:
    """What was tried, behind the word PASSED."""
    if found.status == "inconclusive":
        return f"cannot tell: {clean(found.reason, 200)}"
    awaits = f"{found.awaits_in_words} {plural('await', found.points)}"
    return f"{awaits}, {counted(found.runs, 'run')}, {found.calm.virtual_time:.3f} s virtual, {seconds:.2f} s"


def _told(item: pytest.Item, ask: Ask, found: Exploration, performance: Performance) -> Result:
    """The result of a test that some fault or order breaks: its smallest failure, reported as pytest would."""
    failures = sorted(found.failures, key=lambda failure: failure.deviations)
    traces = [failure.trace for failure in failures]
    paths = keep_traces(item, ask.directory, traces)
    if ask.html:
        keep_pages(item, paths, traces, found.calm.trace if found.calm.status is Status.PASSED else None)
    with quietly(item.config):
        again = replay(failures[0].trace, performance.told())
    result = Result(performance.reports)
    if not any(report.failed for report in result.reports):
        result.fail(clean(failures[0].message, 500) or failures[0].kind)
    result.tell("\n\n".join(_stories(found, failures, paths, again)))
    for path in paths:
        result.carry(TRACE, shown(path))
    return result


def _stories(found: Exploration, failures: list[Failure], paths: list[Path], again: Replay) -> list[str]:
    more = f"; {counted(len(failures), 'different failure')}" if len(failures) > 1 else ""
    tried = f"{counted(found.runs, 'run')} at {found.awaits_in_words} {plural('await', found.points)}{more}"
    tried += "; without faults, in the usual order, the test passes"
    told: list[str] = [tried]
    for failure, path in list(zip(failures, paths, strict=True))[:STORIES_SHOWN_MAX]:
        is_smallest = failure is failures[0]
        steps = commands(path, by_name=bool(failure.trace.faults or failure.trace.choices.departures))
        last = ""
        if is_smallest and again.same_digest:
            last = f"replayed once, with the same digest {_short(failure.trace.digest)}"
        elif is_smallest:
            where = f" at step {again.divergence.step}" if again.divergence else ""
            steps, last = [], f"could not reproduce it: replaying took another way{where}"
        passes = needs_line(failure.trace, is_shrunk=failure.is_shrunk)
        told.append(story(failure.trace, passes=passes, next_steps=steps, last=last))
    if len(failures) > STORIES_SHOWN_MAX:
        told.append(f"{len(failures) - STORIES_SHOWN_MAX} more have their traces in {shown(paths[0].parent)}")
    return told


def _replayed(item: pytest.Item, performance: Performance, path: Path) -> Result:
    """Run a trace's answers again, and say whether it is the same run."""
    trace = load_trace(path)
    if is_given(item):
        from faultloop.pytest_plugin.hypothesis_tests import replay_given

        return replay_given(item, trace)
    first: list[pytest.TestReport] = []

    def keep(perform: Callable[[Any], BaseException | None]) -> Callable[[Any], BaseException | None]:
        def performed(stage: Any) -> BaseException | None:
            error = perform(stage)
            if not first:
                first.extend(performance.reports)
            return error

        return performed

    hosted = performance.told()
    hosted.perform = keep(hosted.perform)
    again = replay(trace, hosted)
    result = Result(first)
    if not again.same_digest:
        why = str(again.divergence) if again.divergence is not None else "the digests differ"
        text = f"The replay diverged: {why}. [FL201]\nSee: python -m faultloop replay {shown(path)}"
        if any(report.failed for report in result.reports):
            result.tell(text)
        else:
            result.fail(text)
        return result
    if again.run.status.is_failure and not any(report.failed for report in result.reports):
        result.fail(clean(trace.outcome.message, 500) or trace.outcome.status.value)
    result.tell(story(again.run.trace, last=f"replayed with the same digest {_short(trace.digest)}"))
    return result


def _short(digest: str) -> str:
    """Enough of a digest to tell two apart by eye."""
    return digest.removeprefix("sha256:")[:12]
