"""A plugin of pytest's that writes down how each test went: `-p recorder --record FILE`.

It knows faultloop only by what it puts into reports and items, and works as well without it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where to write."""
    parser.addoption("--record", default=None)


def pytest_configure(config: pytest.Config) -> None:
    """Listen, if it was asked for."""
    if config.getoption("record"):
        config.pluginmanager.register(Recorder(Path(config.getoption("record"))))


class Recorder:
    """What is known of each test. verdict: as pytest counts it.   is_ours: whether it ran under faultloop."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._tests: dict[str, dict[str, Any]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Learn from each phase of a test."""
        known = self._tests.setdefault(report.nodeid, {"verdict": "passed", "says": "", "traces": [], "summary": ""})
        if report.failed:
            known["verdict"] = "failed" if report.when == "call" else "error"
            known["says"] = str(report.longrepr).strip().splitlines()[-1][:300]
        elif report.skipped:
            known["verdict"] = "xfailed" if hasattr(report, "wasxfail") else "skipped"
        elif report.when == "call" and hasattr(report, "wasxfail"):
            known["verdict"] = "xpassed"
        for name, value in report.user_properties:
            if name == "faultloop_trace" and value not in known["traces"]:
                known["traces"].append(value)
            elif name == "faultloop":
                known["summary"] = value
            elif name == "faultloop_apart":
                known["apart"] = value

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write all of it."""
        ours = getattr(sys.modules.get("faultloop.pytest_plugin.session"), "ASK", None)
        for item in session.items:
            if item.nodeid in self._tests:
                known = self._tests[item.nodeid]
                known["is_ours"] = ours is not None and ours in item.stash and "apart" not in known
        self._file.write_text(json.dumps(self._tests), encoding="utf-8")
