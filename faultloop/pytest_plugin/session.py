"""What is there once a test is to be run under faultloop: which ones are, and that each gives one result."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from faultloop.drivers.partings import part_at_exit, that_hold_up
from faultloop.pytest_plugin import APART
from faultloop.pytest_plugin.hosts import call_unhosted, run_on_trio
from faultloop.pytest_plugin.items import is_async, objection
from faultloop.pytest_plugin.options import Ask, ask_for, complain, is_on, mark_of, read
from faultloop.pytest_plugin.protocol import carry_out
from faultloop.pytest_plugin.result import Result
from faultloop.pytest_plugin.traces import recorded_test, require_folder
from faultloop.search import collector

ASK = pytest.StashKey[Ask]()


class Session:
    """The plugin that runs tests. trace: what is replayed, if anything is."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._is_for_all = is_on(config)
        self._adopted = 0
        self._folders: set[str] = set()
        self._left: weakref.WeakSet[threading.Thread] | None = None
        self.trace: str = config.getoption("faultloop_trace") or ""
        if self.trace:
            self._replayed = recorded_test(Path(self.trace))
            if config.args_source is not pytest.Config.ArgsSource.ARGS:
                config.args[:] = [os.fspath(config.rootpath / self._replayed.partition("::")[0])]

    def pytest_report_header(self) -> str:
        """What all tests are run with."""
        from faultloop import __version__

        asked = [
            f"{name} {value}"
            for name in ("runs", "time", "seed", "order", "faults", "strategy")
            if (value := self._config.getoption(f"faultloop_{name}")) is not None
        ]
        mode = self._config.getoption("faultloop") or self._config.getini("faultloop") or "as marked"
        seed = os.environ.get("PYTHONHASHSEED") or "random"
        what = f"replay {self.trace}" if self.trace else ", ".join([mode, *asked])
        return f"faultloop {__version__}: {what}, hash seed {seed}"

    def adopt(self, items: list[pytest.Item]) -> None:
        """Find out which tests are to be run by us. Raises UsageError for marks that cannot be done."""
        if self.trace:
            items[:] = [item for item in items if item.nodeid == self._replayed]
            if not items:
                raise complain(
                    f"{self.trace} was recorded from {self._replayed}, which is not among the tests collected. "
                    "Name its file, or leave the arguments out",
                    "FL809",
                )
        wrong: list[str] = []
        for item in items:
            mark = mark_of(item)
            if mark is None and not self._is_for_all:
                continue
            why = objection(item)
            if why is None:
                self._take(item, ask_for(item, mark))
            elif self._was_meant(item):
                wrong.append(f"{item.nodeid}: {why}")
            elif is_async(item):
                item.user_properties.append((APART, f"{why.why} [{why.code}]"))
        if wrong:
            raise complain("these tests cannot be run as they are marked.\n" + "\n".join(wrong), "FL800")
        self._require_some(items)

    def _was_meant(self, item: pytest.Item) -> bool:
        """Whether the test itself bears the mark, and not just its class or module."""
        return any(mark.name == "faultloop" for mark in item.own_markers)

    def _take(self, item: pytest.Item, ask: Ask) -> None:
        self._adopted += 1
        item.stash[ASK] = ask
        if ask.mode == "explore" and ask.directory not in self._folders:
            require_folder(item, ask.directory)
            self._folders.add(ask.directory)
        if item.get_closest_marker("trio") is not None:
            item.add_marker(pytest.mark.trio(run=run_on_trio), append=False)

    def _require_some(self, items: Sequence[pytest.Item]) -> None:
        asked = self._config.getoption("faultloop") in ("run", "explore")
        if items and asked and not self._adopted:
            reasons = sorted({str(value) for item in items for key, value in item.user_properties if key == APART})
            because = f" ({'; '.join(reasons)})" if reasons else ""
            raise complain(f"no async test was selected: nothing would run under faultloop{because}", "FL805")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """All tests: what was loaded to collect them is not collected anew for each exploration."""
        with collector.at_rest():
            return (yield)

    @contextmanager
    def _parting_from_threads(self) -> Generator[None]:
        """What a test's runs leave does not keep the process from ending: of many runs, some end in the middle."""
        before = set(that_hold_up())
        yield
        left = [thread for thread in that_hold_up() if thread not in before]
        if left and self._left is None:
            self._left = known = weakref.WeakSet[threading.Thread]()
            part_at_exit(lambda: list(known))
        if self._left is not None:
            self._left.update(left)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
        """Run a test that is ours: as often as it takes, and with one result."""
        ask = item.stash.get(ASK, None)
        if ask is None:
            return None
        hook = item.ihook
        hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        with self._parting_from_threads():
            result = carry_out(item, ask, trace=self.trace)
        reports = _wider_teardown(item, nextitem, result)
        for report in reports:
            hook.pytest_runtest_logreport(report=report)
        hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        if result.was_interrupted:
            raise KeyboardInterrupt
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Make several tests of each async one, if that was asked for."""
        split = self._config.getoption("faultloop_split")
        parts = read("split", split, "--faultloop-split") if split else 1
        assert isinstance(parts, int)
        import inspect

        if parts > 1 and inspect.iscoroutinefunction(metafunc.function):
            metafunc.fixturenames.append(PART)
            metafunc.parametrize(PART, range(parts), indirect=True, ids=[f"part{n + 1}" for n in range(parts)])

    @pytest.fixture
    def _faultloop_part(self, request: pytest.FixtureRequest) -> int:
        """Which part of a test that was split this is."""
        part: int = request.param
        return part

    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool | None:
        """Run an async test that is ours, and that no plugin runs."""
        return call_unhosted(pyfuncitem) or None


PART = "_faultloop_part"


def _wider_teardown(item: Any, nextitem: pytest.Item | None, result: Result) -> list[pytest.TestReport]:
    """Take down what the next test does not need. Between runs it stayed; now it goes, and may fail as ever."""
    from _pytest.runner import CallInfo

    session = item.session
    if session.shouldfail or session.shouldstop:
        nextitem = None
    call = cast(Any, CallInfo).from_call(
        lambda: session._setupstate.teardown_exact(nextitem),
        when="teardown",
        reraise=(pytest.exit.Exception, KeyboardInterrupt),
    )
    reports = result.reports
    if call.excinfo is None:
        return reports
    report = pytest.TestReport.from_item_and_call(item, call)
    if reports and reports[-1].when == "teardown" and not reports[-1].failed:
        report.user_properties = reports[-1].user_properties
        return [*reports[:-1], report]
    return [*reports, report]
