"""Tests whose inputs Hypothesis draws: it draws inputs, faultloop draws schedules, for each of its examples.

An example is run as often as an exploration takes, within Hypothesis's one call for it; so what fails is shrunk twice,
the schedule by us and then the inputs by Hypothesis. Fixtures live as long as all examples, as they do without us.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import pytest
from _pytest.runner import runtestprotocol

from faultloop.drivers.own import TEST
from faultloop.errors import RunFailed
from faultloop.model.text import counted
from faultloop.model.trace import Trace
from faultloop.pytest_plugin import SUMMARY, TRACE
from faultloop.pytest_plugin.items import function_of
from faultloop.pytest_plugin.options import Ask
from faultloop.pytest_plugin.result import Result
from faultloop.pytest_plugin.traces import commands, keep_traces, seed_of, shown
from faultloop.report.story import story
from faultloop.search.explore import INTERRUPTED, explore
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
    """Replay a trace on the example it holds; one of another Hypothesis on each that is drawn, until one fits."""
    stories: list[str] = []

    def replayed(scenario: Callable[[], Any]) -> None:
        again = replay(trace, scenario)
        if again.same_digest and again.run.status.is_failure:
            stories.append(story(again.run.trace, last="replayed with the same digest"))
            again.run.raise_if_failed()

    with _inner(item, replayed, held=trace.target.inputs):
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
        self._inputs = ""
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
        if found.reason == INTERRUPTED:
            raise KeyboardInterrupt
        if found.failures:
            self._failure = found.failures[0]
            self._inputs = _drawn()
            self._failure.run.raise_if_failed()
        if found.calm.status.is_failure:
            found.calm.raise_if_failed()
            raise RunFailed(found.calm.trace.outcome.message)

    def result(self, reports: list[pytest.TestReport]) -> Result:
        """What it all came to."""
        result = Result(reports)
        if self._failure is None or not any(report.failed for report in reports):
            result.carry(SUMMARY, f"{counted(self._runs, 'run')} over all examples")
            return result
        failed = self._failure.trace
        trace = msgspec.structs.replace(failed, target=msgspec.structs.replace(failed.target, inputs=self._inputs))
        paths: list[Path] = keep_traces(self._item, self._ask.directory, [trace])
        steps = [(label, line) for label, line in commands(paths[0], by_name=False) if label in ("or", "timeline")]
        last = "" if self._inputs else "it replays as long as Hypothesis remembers or draws the example again"
        result.tell(story(trace, next_steps=steps, last=last))
        result.carry(TRACE, shown(paths[0]))
        return result


def _drawn() -> str:
    """What the present example was drawn with, for `Target.inputs`; empty for one that a decorator spelled out.

    What Hypothesis prints for `@reproduce_failure` is taken where Hypothesis takes it: it has no public name.
    """
    from hypothesis.control import current_build_context
    from hypothesis.core import encode_failure

    data: Any = current_build_context().data
    # Releases before 6.123 keep bytes.
    choices: Any = data.choices if hasattr(data, "choices") else bytes(data.buffer)
    return f"hypothesis {version('hypothesis')} {encode_failure(choices).decode()}" if choices else ""


@contextmanager
def _inner(item: Any, use: Callable[[Callable[[], Any]], None], *, held: str = "") -> Generator[None]:
    """Give each example of Hypothesis's to `use` instead of awaiting it, and leave it all the time it takes.

    held: `Target.inputs`; that example alone is given, if the Hypothesis at hand can read it.
    """
    import hypothesis

    given: Any = item.obj.hypothesis
    original, function = given.inner_test, function_of(item)

    async def each(*args: Any, **kwargs: Any) -> None:
        async def example() -> None:
            await function(*args, **kwargs)

        example.__qualname__ = example.__name__ = function.__name__
        setattr(example, TEST, function)
        use(example)

    each.__name__ = each.__qualname__ = function.__name__
    names = ("_hypothesis_internal_use_settings", "_hypothesis_internal_use_reproduce_failure")
    before: dict[str, Any] = {name: vars(item.obj)[name] for name in names if name in vars(item.obj)}
    given.inner_test = each
    setattr(item.obj, names[0], hypothesis.settings(before.get(names[0]) or hypothesis.settings(), deadline=None))
    this = version("hypothesis")
    if held.startswith(f"hypothesis {this} "):
        hypothesis.reproduce_failure(this, held.split(" ")[2].encode())(item.obj)
    try:
        yield
    finally:
        given.inner_test = original
        for name in names:
            if name in before:
                setattr(item.obj, name, before[name])
            elif name in vars(item.obj):
                delattr(item.obj, name)


def _run_plainly(item: Any) -> list[pytest.TestReport]:
    """The test on its own plugin's loop, within which each example is explored on ours."""
    if not item._request:
        item._initrequest()
    item._report_sections.clear()
    return runtestprotocol(item, log=False, nextitem=item.parent)
