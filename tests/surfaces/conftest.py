"""A suite of somebody else's, run by pytest within this process."""

import importlib
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from faultloop.cli import main

# pytester forgets the modules that were first imported within: what patches the process must not be imported twice.
for _name in (
    "anyio._backends._asyncio",
    "anyio._backends._trio",
    "anyio.pytest_plugin",
    "faultloop.pytest_plugin.borrowed",
    "faultloop.pytest_plugin.hypothesis_tests",
    "faultloop.pytest_plugin.session",
    "faultloop.search.doctor",
    "faultloop.search.shrinking",
    "faultloop.testing",
    "faultloop.drivers.asyncio.driver",
    "faultloop.drivers.trio.driver",
    "hypothesis.strategies",
    "pytest_asyncio.plugin",
    "pytest_trio.plugin",
    "trio.testing",
):
    importlib.import_module(_name)

INI = """
[pytest]
asyncio_default_fixture_loop_scope = function
addopts = -p no:cacheprovider -p no:randomly
"""


@dataclass
class Suite:
    """Files of a project, and pytest run on them."""

    pytester: pytest.Pytester

    def write(self, source: str, name: str = "test_it.py") -> Path:
        """Write a file of tests."""
        path = self.pytester.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
        return path

    def run(self, *arguments: str, **outcomes: int) -> str:
        """Run pytest; the counts of outcomes must be these. Returns what it printed."""
        result = self.pytester.runpytest_inprocess(*arguments)
        assert not outcomes or result.parseoutcomes() == outcomes, result.stdout.str()
        return result.stdout.str() + result.stderr.str()

    @property
    def traces(self) -> list[Path]:
        """The traces that were written."""
        return sorted((self.pytester.path / ".faultloop").glob("*.trace.json"))


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Suite:
    """An empty project."""
    (pytester.path / "pytest.ini").write_text(INI, encoding="utf-8")
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    return Suite(pytester)


def command_line(*arguments: str) -> int:
    """The command line's exit code, in this process."""
    return main(list(arguments))


def digest_in(text: str) -> str:
    """The digest that a replay says it agrees with; empty if it does not."""
    found = re.search(r"with the same digest (\w+)", text)
    return found.group(1) if found else ""
