"""The pytest plugin: every async test of a suite under faultloop, with no edit of the tests.

pytest --faultloop=run        one calm run each, in virtual time
pytest --faultloop=explore    then faults and orders at every await of the test, with fresh fixtures for each run

This module is imported in every session of everybody who has faultloop installed. It knows the options and how results
are shown; what runs tests (`session`) is imported when a test is to be run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

from faultloop.model.text import counted
from faultloop.pytest_plugin.options import MODES, OPTIONS, complain, require_known, typed

if TYPE_CHECKING:
    from faultloop.pytest_plugin.fixture import Faultloop

SUMMARY, TRACE, APART, UNSTRUCK = "faultloop", "faultloop_trace", "faultloop_apart", "faultloop_unstruck"
"""What a report carries for us: the summary of an exploration, the path of a trace, why a test was left alone, and why
no fault struck it."""
SESSION = "faultloop-session"
"""The name of the plugin that runs tests, once it is needed."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """The command line's options, and the same as ini keys."""
    group = parser.getgroup("faultloop", "faults at await points (faultloop)")
    group.addoption(
        "--faultloop",
        metavar="|".join(MODES),
        default=None,
        help="run: each async test once, in virtual time; explore: with faults and orders; off: not even marked ones",
    )
    group.addoption("--faultloop-trace", metavar="FILE", default=None, help="replay this trace of a test")
    parser.addini("faultloop", "run or explore every async test (--faultloop)", default=None)
    for option in OPTIONS:
        group.addoption(f"--faultloop-{option.name}", metavar=option.metavar, default=None, help=option.help)
        parser.addini(f"faultloop_{option.name}", f"--faultloop-{option.name}", default=None)


def pytest_load_initial_conftests(args: list[str]) -> None:
    """Say of a mistyped option of ours which ones there are."""
    require_known(args)


def pytest_configure(config: pytest.Config) -> None:
    """Check what was asked for, before anything is collected."""
    config.addinivalue_line(
        "markers",
        'faultloop(mode="run"|"explore", runs=…, time=…, seed=…, order=…, faults=…, strategy=…): '
        "run this async test on faultloop's loop, in virtual time and with faults at its awaits",
    )
    from faultloop.pytest_plugin.options import is_on

    if is_on(config):
        _start(config)


def _start(config: pytest.Config) -> Any:
    """The plugin that runs tests, made when it is first needed."""
    manager = config.pluginmanager
    if not manager.has_plugin(SESSION):
        from faultloop.pytest_plugin.session import Session

        manager.register(Session(config), SESSION)
    return manager.get_plugin(SESSION)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Generator[None, Any, Any]:
    """Take over the tests that are marked, or all async ones, once the other plugins are done with them."""
    result = yield
    try:
        _adopt(config, items)
    except pytest.UsageError as error:
        if not hasattr(config, "workerinput"):
            raise
        # pytest-xdist takes a worker that leaves now for one that crashed. An error of the collection it tells, once.
        config.hook.pytest_collectreport(report=pytest.CollectReport("faultloop", "failed", str(error), []))
        items.clear()
    return result


def _adopt(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("faultloop") == "off":
        return
    if config.pluginmanager.has_plugin(SESSION) or any(item.get_closest_marker("faultloop") for item in items):
        _start(config).adopt(items)
    elif names := typed(config):
        raise complain(
            f"{' and '.join(names)} was typed, and no test is to be run under faultloop: "
            "add --faultloop=explore, or --faultloop=run",
            "FL805",
        )


@pytest.fixture
def faultloop(request: pytest.FixtureRequest) -> Generator[Faultloop]:
    """The run that this test is in: its invariants, notes, nodes and clock."""
    from faultloop.pytest_plugin.fixture import fixture_for

    made = fixture_for(request.node)
    yield made
    if not made.is_active:  # a run has asked already, when the test was over
        made.check()


# How results are shown: from what reports carry, which crosses to another process


def _carried(report: Any, name: str) -> list[str]:
    return [value for key, value in getattr(report, "user_properties", ()) if key == name]


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report: Any) -> tuple[str, str, str] | None:
    """With -v: what was tried behind the word."""
    if report.when != "call" or not report.passed or getattr(report, "wasxfail", None) is not None:
        return None
    summaries = _carried(report, SUMMARY)
    return ("passed", ".", f"PASSED [{summaries[-1]}]") if summaries else None


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """A line for each trace, and how many tests were left alone, and why."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    traces = dict.fromkeys(
        (getattr(report, "nodeid", ""), path) for report in reports for path in _carried(report, TRACE)
    )
    apart = [
        f"{counted(count, 'test')} {what}: {why}"
        for name, what in ((APART, "not under faultloop"), (UNSTRUCK, "struck by no fault"))
        for why, count in _tests_by_reason(reports, name).items()
    ]
    if not traces and not apart:
        return
    terminalreporter.section("faultloop")
    for nodeid, path in traces:
        terminalreporter.line(f"{nodeid}: pytest --faultloop-trace {path}")
    for line in apart:
        terminalreporter.line(line)


def _tests_by_reason(reports: list[Any], name: str) -> Counter[str]:
    """How many tests carry each value. A test has several reports."""
    carried = {(getattr(report, "nodeid", ""), why) for report in reports for why in _carried(report, name)}
    return Counter(sorted(why for _, why in carried))
