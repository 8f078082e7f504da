"""One test, performed on a stage: its fixtures set up, the test called, its fixtures taken down; any number of times.

What is of a wider scope than the test stays as it is between the runs, and so is shared by them.
"""

from __future__ import annotations

import gc
import os
import sys
import warnings
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from typing import Any, Literal, cast

import pytest
from _pytest.outcomes import Exit
from _pytest.runner import CallInfo, check_interactive_exception

from faultloop.drivers.alarm import OutOfTime
from faultloop.drivers.hosting import Hosted, Stage
from faultloop.drivers.keyboard import listen, stop_listening
from faultloop.pytest_plugin.fixture import FIXTURE
from faultloop.pytest_plugin.hosts import OtherDriver, hosts_on, testing
from faultloop.pytest_plugin.items import function_of

When = Literal["setup", "call", "teardown"]


class Performance:
    """A test that is run again and again. reports: of the last run that made any."""

    def __init__(self, item: pytest.Item) -> None:
        self._item: Any = item
        self._properties = list(item.user_properties)
        self._function = getattr(item, "obj", None)
        self._test = function_of(item)
        self.reports: list[pytest.TestReport] = []

    def told(self) -> Hosted:
        """The test as a scenario whose runs are reported as pytest reports a test, and which a debugger may enter."""
        return Hosted(lambda stage: self._perform(stage, is_told=True), test=self._test)

    def untold(self) -> Hosted:
        """The test as a scenario of which only the error is wanted."""
        return Hosted(lambda stage: self._perform(stage, is_told=False), test=self._test)

    def _perform(self, stage: Stage, *, is_told: bool) -> BaseException | None:
        if is_told:
            self.reports = []
        self._begin_anew(is_told=is_told)
        errors: list[BaseException] = []
        item = self._item
        try:
            with hosts_on(stage, name=getattr(item, "originalname", "") or item.name):
                call = self._made("setup", stage, is_told=is_told)
                errors += self._errors_of(call, stage, is_told=is_told)
                if call.excinfo is None:
                    call = self._made("call", stage, is_told=is_told)
                    errors += self._errors_of(call, stage, is_told=is_told)
                call = self._made("teardown", stage, is_told=is_told)
                errors += self._errors_of(call, stage, is_told=is_told)
        finally:
            for name in _TELLERS:
                item.__dict__.pop(name, None)
            item._request = False
            item.funcargs = None
        for error in errors:
            if isinstance(error, OtherDriver):
                raise error
        if len(errors) > 1:
            return BaseExceptionGroup("the test failed, and so did taking its fixtures down", errors)
        return errors[0] if errors else None

    def _begin_anew(self, *, is_told: bool) -> None:
        """Nothing of an earlier run is left in the item."""
        item = self._item
        item.user_properties[:] = self._properties
        item._report_sections.clear()
        item.stash[FIXTURE] = None
        if getattr(item, "cls", None) is not None:
            item.__dict__.pop("_instance", None)  # a test's object is its own in each run
            item._obj = None
        else:
            item.obj = self._function  # pytest-trio leaves its own in this place
        if not is_told:
            item.__dict__.update(dict.fromkeys(_TELLERS, _say_nothing))
        if not item._request:
            item._initrequest()

    def _made(self, when: When, stage: Stage, *, is_told: bool) -> Any:
        """One phase of the test. What it raises is kept, but for what ends the session."""

        def phase() -> None:
            try:
                self._phase(when, stage)
            except OutOfTime:
                stage.no_hurry()
                raise TimeoutError(f"the {when} of this test did not end within the real time of a run") from None

        call = cast(Any, CallInfo).from_call(phase, when=when, reraise=(Exit,))
        error = call.excinfo.value if call.excinfo is not None else None
        # A debugger is entered in the run that is told, and in no other.
        if isinstance(error, KeyboardInterrupt) and not (is_told and self._item.config.getoption("usepdb")):
            raise error
        return call

    def _phase(self, when: When, stage: Stage) -> None:
        item = self._item
        match when:
            case "setup":
                item.ihook.pytest_runtest_setup(item=item)
            case "call":
                error: BaseException | None = None
                try:
                    with testing(item, stage):
                        item.ihook.pytest_runtest_call(item=item)
                except BaseException as raised:
                    error = raised
                if (fixture := item.stash[FIXTURE]) is not None:
                    fixture.check(error)
                if error is not None:
                    raise error
            case "teardown":
                item.ihook.pytest_runtest_teardown(item=item, nextitem=item.parent)

    def _errors_of(self, call: Any, stage: Stage, *, is_told: bool) -> list[BaseException]:
        """The error that a phase failed with, if pytest calls it a failure: it may be skipped or expected.

        The report is made in any case: plugins learn from it how the test went (tmp_path does).
        """
        item = self._item
        report = item.ihook.pytest_runtest_makereport(item=item, call=call)
        if is_told:
            self.reports.append(report)
            if check_interactive_exception(call, report):
                stage.no_hurry()
                item.ihook.pytest_exception_interact(node=item, call=call, report=report)
        if not report.failed:
            return []
        if call.excinfo is None:
            return [AssertionError(str(report.longrepr))]
        return [_meant(call.excinfo.value)]


def _meant(error: BaseException) -> BaseException:
    """The error itself; but where `pytest.raises` waits for a group, what came instead of one.

    A cancellation that is let through passes an ordinary `pytest.raises`. One for a group calls it a failure.
    """
    is_complaint = isinstance(error, pytest.fail.Exception) and "did not match" in str(error)
    instead = error.__context__
    return instead if is_complaint and instead is not None and not isinstance(instead, Exception) else error


_TELLERS = ("repr_failure", "_repr_failure_py")


def _say_nothing(*_: object, **__: object) -> str:
    """In the place of what makes an error's text with its source: most of a failing run's time, and nobody reads it."""
    return "not told"


@contextmanager
def interruptible() -> Generator[None]:
    """Around many runs: Ctrl-C ends them, wherever they are.

    asyncio's runner makes a cancellation of the test of it, and such a test is explored for how it takes one: it may
    swallow it, and that is nothing the search did. A handler that is not Python's own the runners leave in place.
    """
    is_own = listen()
    try:
        yield
    finally:
        stop_listening(is_own)  # each run has said so itself


@contextmanager
def quietly(config: pytest.Config) -> Generator[None]:
    """Around many runs that nobody reads about: what is printed and warned of in them is nobody's news."""
    hook = sys.unraisablehook
    with ExitStack() as within:
        within.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        if config.getoption("capture") == "no":
            nowhere = within.enter_context(open(os.devnull, "w", encoding="utf-8"))
            within.enter_context(redirect_stdout(nowhere))
            within.enter_context(redirect_stderr(nowhere))
        sys.unraisablehook = lambda _: None
        try:
            yield
        finally:
            gc.collect()  # what broken runs left open complains now, and not in the middle of the next test
            sys.unraisablehook = cast(Any, hook)
