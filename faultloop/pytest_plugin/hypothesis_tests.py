"""Tests whose inputs Hypothesis draws: it draws inputs, faultloop draws schedules, for each of its examples.

An example is run as often as an exploration takes, within Hypothesis's one call for it; so what fails is shrunk twice,
the schedule by us and then the inputs by Hypothesis. Fixtures live as long as all examples, as they do without us.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from faultloop.errors import RunFailed
from faultloop.model.trace import Trace
from faultloop.pytest_plugin import SUMMARY, TRACE
from faultloop.pytest_plugin.items import function_of
from faultloop.pytest_plugin.options import Ask
from faultloop.pytest_plugin.result import Result
from faultloop.pytest_plugin.traces import commands, keep_traces, seed_of, shown
from faultloop.report.story import story
from faultloop.search.explore import explore
from faultloop.search.findings import Failure
from faultloop.search.replay import replay
from faultloop.search.run import run

RUNS_PER_EXAMPLE = 60
"""What one example may spend. Hypothesis draws a hundred, and tries many more when it shrinks."""


def carry_out_given(item: pytest.Item, ask: Ask, driver: str) -> Result:
    """Run a test with drawn inputs: each example once, or as often as its exploration takes."""
    search = _Search(item, ask, driver)
    with _inner(item, search.explored if ask.mode == "explore" else search.ran):
        return search.result(_run_plainly(item))


def replay_given(item: pytest.Item, trace: Trace) -> Result:
    """Replay a trace on each example that Hypothesis gives, those it remembers first, until one is the recorded run."""
    stories: list[str] = []

    def replayed(scenario: Callable[[], Any]) -> None:
        again = replay(trace, scenario)
        if again.same_digest and again.run.status.is_failure:
            stories.append(story(again.run.trace, last="replayed with the same digest"))
            again.run.raise_if_failed()

    with _inner(item, replayed):
        result = Result(_run_plainly(item))
    if stories:
        result.tell(stories[-1])
    else:
        result.fail("The replay diverged: no example that Hypothesis drew led to the recorded run. [FL201]")
    return result


class _Search:
    """The explorations of one test's examples."""

    def __init__(self, item: pytest.Item, ask: Ask, driver: str) -> None:
        self._item, self._ask, self._driver = item, ask, driver
        self._failure: Failure | None = None
        self._runs = 0
        self._began = time.perf_counter()

    def ran(self, scenario: Callable[[], Any]) -> None:
        """Run one example, calmly. Raises what it raised."""
        self._runs += 1
        run(scenario, driver=self._driver, target=self._item.nodeid).raise_if_failed()

    def explored(self, scenario: Callable[[], Any]) -> None:
        """Explore one example. Raises what its smallest failure raised."""
        ask = self._ask
        if self._failure is None and time.perf_counter() - self._began > ask.time:
            self.ran(scenario)
            return
        found = explore(
            scenario,
            strategy=ask.strategy,
            runs=min(ask.runs, RUNS_PER_EXAMPLE),
            seed=seed_of(self._item, ask.seed),
            order=ask.order,  # type: ignore[arg-type]  # read from the three there are
            faults=ask.faults,
            tasks=ask.tasks,
            where=ask.where,
            first=True,
            driver=self._driver,
            target=self._item.nodeid,
        )
        self._runs += found.runs
        if found.failures:
            self._failure = found.failures[0]
            self._failure.run.raise_if_failed()
        if found.calm.status.is_failure:
            found.calm.raise_if_failed()
            raise RunFailed(found.calm.trace.outcome.message)

    def result(self, reports: list[pytest.TestReport]) -> Result:
        """What it all came to."""
        result = Result(reports)
        if self._failure is None or not any(report.failed for report in reports):
            result.carry(SUMMARY, f"{self._runs} runs over all examples")
            return result
        paths: list[Path] = keep_traces(self._item, self._ask.directory, [self._failure.trace])
        steps = [(label, line) for label, line in commands(paths[0], by_name=False) if label in ("or", "timeline")]
        result.tell(
            story(
                self._failure.trace,
                next_steps=steps,
                last="it replays as long as Hypothesis remembers or draws the example again",
            )
        )
        result.carry(TRACE, shown(paths[0]))
        return result


@contextmanager
def _inner(item: Any, use: Callable[[Callable[[], Any]], None]) -> Generator[None]:
    """Give each example of Hypothesis's to `use` instead of awaiting it, and leave it all the time it takes."""
    from hypothesis import settings

    given: Any = item.obj.hypothesis
    original, function = given.inner_test, function_of(item)

    async def each(*args: Any, **kwargs: Any) -> None:
        async def example() -> None:
            await function(*args, **kwargs)

        example.__qualname__ = example.__name__ = function.__name__
        use(example)

    each.__name__ = each.__qualname__ = function.__name__
    name = "_hypothesis_internal_use_settings"
    before = getattr(item.obj, name, None)
    given.inner_test = each
    setattr(item.obj, name, settings(before or settings(), deadline=None))
    try:
        yield
    finally:
        given.inner_test = original
        if before is None:
            delattr(item.obj, name)
        else:
            setattr(item.obj, name, before)


def _run_plainly(item: Any) -> list[pytest.TestReport]:
    """The test on its own plugin's loop, within which each example is explored on ours."""
    if not item._request:
        item._initrequest()
    item._report_sections.clear()
    return runtestprotocol(item, log=False, nextitem=item.parent)
