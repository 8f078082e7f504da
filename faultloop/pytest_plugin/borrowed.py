"""A test as a scenario for somebody who is not pytest: the command line, that has a trace of it.

pytest is run in this process, with the one test; when the test's turn comes, whoever asked gets it as a scenario.
"""

from __future__ import annotations

import importlib.util
import io
import sys
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any, TypeVar

import pytest

from faultloop.drivers.hosting import Hosted
from faultloop.errors import TargetError
from faultloop.pytest_plugin.hosts import call_unhosted, run_on_trio
from faultloop.pytest_plugin.items import is_given, objection
from faultloop.pytest_plugin.performance import Performance, quietly
from faultloop.search.place import locate, shown

T = TypeVar("T")


def with_test(ref: str, root: Path, use: Callable[[Hosted], T], *, confined: bool) -> T:
    """What comes of using a test. ref: its node id, relative to root.   confined: refuse what is not under root.

    Raises TargetError, or ImportRefused before anything is run, and what `use` raises.
    """
    file, _, name = ref.partition("::")
    locate(f"{file}:test", root=root, confined=confined)
    borrower = _Borrower(ref, use)
    arguments = [
        f"{root / file}::{name}",
        "-p",
        "no:terminal",
        "-p",
        "no:cacheprovider",
        "-Wignore",
        "--faultloop=off",
    ]
    if importlib.util.find_spec("xdist") is not None:
        arguments.append("-n0")  # whatever the project's own options say
    said = io.StringIO()
    with redirect_stderr(said):
        code = pytest.main([*arguments], plugins=[borrower])  # it changes the list that it is given
    if code == pytest.ExitCode.USAGE_ERROR:  # the project's own options want a plugin that is not here
        pytest.main(["-o", "addopts=", *arguments], plugins=[borrower])
    sys.stderr.write(said.getvalue() if not borrower.values else "")
    if borrower.error is not None:
        raise borrower.error
    if not borrower.values:
        because = f": {borrower.complaint}" if borrower.complaint else ""
        if code in (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.INTERNAL_ERROR):
            because = ", because it ends with an error of its own. If it wants options, put them into PYTEST_ADDOPTS"
        raise TargetError(f'pytest does not find the test "{shown(ref)}" under {root}{because}.')
    value: T = borrower.values[0]
    return value


class _Borrower:
    """A plugin of pytest's that hands out the test instead of running it."""

    def __init__(self, ref: str, use: Callable[[Hosted], Any]) -> None:
        self._name = ref.partition("::")[2]
        self._use = use
        self.values: list[Any] = []
        self.error: BaseException | None = None
        self.complaint = ""

    def pytest_configure(self, config: pytest.Config) -> None:
        """pytest 8 asks for this when an assertion fails, also without the plugin that declares it."""
        config.option.verbose = getattr(config.option, "verbose", 0)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed and not self.complaint:
            self.complaint = " ".join(str(report.longrepr).strip().splitlines()[-1:])[:300]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool:
        if not self.values and self.error is None and item.nodeid.partition("::")[2] == self._name:
            try:
                self._lend(item)
            except BaseException as error:
                self.error = error
        item.session._setupstate.teardown_exact(nextitem)
        return True

    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool | None:
        """Run an async test that no plugin runs."""
        return call_unhosted(pyfuncitem) or None

    def _lend(self, item: pytest.Item) -> None:
        why = objection(item)
        if why is not None:
            raise TargetError(f"{shown(item.nodeid)}: {why}")
        if is_given(item):
            raise TargetError(
                f"{shown(item.nodeid)}: its inputs are drawn by Hypothesis: replay it with pytest --faultloop-trace"
            )
        if item.get_closest_marker("trio") is not None:
            item.add_marker(pytest.mark.trio(run=run_on_trio), append=False)
        with quietly(item.config):
            self.values.append(self._use(Performance(item).untold()))
