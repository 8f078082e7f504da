"""Which tests can be run under faultloop, on which driver, and in a sentence why others cannot."""

from __future__ import annotations

import inspect
import sys
import unittest
from dataclasses import dataclass
from typing import Any

import pytest

OWN_LOOPS = ("anyio", "asyncio", "trio")
"""The marks that say who is to run an async test."""


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a test cannot be run under faultloop. code: FLnnn.   hint: what to do about it."""

    why: str
    code: str
    hint: str

    def __str__(self) -> str:
        return f"{self.why}. {self.hint} [{self.code}]"


def function_of(item: pytest.Item) -> Any:
    """The test's own function: within Hypothesis's, where there is one."""
    function = getattr(item, "obj", None)
    given = getattr(function, "hypothesis", None)
    return getattr(given, "inner_test", function)


def is_async(item: pytest.Item) -> bool:
    """Whether a test is an async function, whoever is to run it."""
    return isinstance(item, pytest.Function) and inspect.iscoroutinefunction(inspect.unwrap(function_of(item)))


def is_unittest(item: pytest.Item) -> bool:
    """Whether a test is one of unittest's."""
    cls = getattr(item, "cls", None)
    return isinstance(cls, type) and issubclass(cls, unittest.TestCase)


def is_given(item: pytest.Item) -> bool:
    """Whether Hypothesis draws the test's inputs."""
    return hasattr(getattr(item, "obj", None), "hypothesis")


def driver_of(item: pytest.Item) -> str:
    """The driver that a test most likely runs on; a fixture may still say another one."""
    if item.get_closest_marker("trio") is not None:
        return "trio"
    params: dict[str, Any] = getattr(getattr(item, "callspec", None), "params", {})
    backend: Any = params.get("anyio_backend")
    return "trio" if backend == "trio" or (type(backend) is tuple and backend[:1] == ("trio",)) else "asyncio"


def objection(item: pytest.Item) -> Objection | None:
    """Why a test cannot be run under faultloop; None if it can."""
    if not is_async(item):
        return Objection("it is not async", "FL803", "Mark async tests only")
    if is_unittest(item):
        if not issubclass(item.cls, unittest.IsolatedAsyncioTestCase):  # type: ignore[attr-defined]
            return Objection("its class runs no loop", "FL803", "Derive it from unittest.IsolatedAsyncioTestCase")
        return None
    borne = {mark.name for mark in item.iter_markers()}
    marks = [name for name in OWN_LOOPS if name in borne]
    if len(marks) > 1 and "trio" in marks:
        return Objection(f"it bears the marks {' and '.join(marks)}", "FL806", "Keep one")
    return _unknown_release(marks) or _wide_loop(item) or _shared_fixture(item)


def _unknown_release(marks: list[str]) -> Objection | None:
    """A plugin that makes its loops where we cannot give it ours: too old, or newer than anybody knew."""
    for mark, module, name, known in _LOOP_MAKERS:
        plugin = sys.modules.get(module)
        if mark in marks and plugin is not None and not hasattr(plugin, name):
            return Objection(f"this release of {known[0]} makes loops in another way", "FL810", f"Use {known[1]}")
    return None


_LOOP_MAKERS = (
    ("anyio", "anyio.pytest_plugin", "get_async_backend", ("anyio", "anyio 4")),
    ("asyncio", "pytest_asyncio.plugin", "Runner", ("pytest-asyncio", "pytest-asyncio 1.1 or newer")),
    ("trio", "pytest_trio.plugin", "TrioFixture", ("pytest-trio", "pytest-trio 0.8")),
)


def _wide_loop(item: pytest.Item) -> Objection | None:
    mark = item.get_closest_marker("asyncio")
    if mark is None:
        return None
    scope = mark.kwargs.get("loop_scope") or mark.kwargs.get("scope") or _ini(item, "asyncio_default_test_loop_scope")
    if scope in (None, "", "function"):
        return None
    return Objection(
        f'its loop is shared by a {scope} (loop_scope="{scope}"), and each run needs one of its own',
        "FL802",
        'Use loop_scope="function"',
    )


def _shared_fixture(item: pytest.Item) -> Objection | None:
    """A fixture that is async and outlives one run, whose loop does not."""
    default = _ini(item, "asyncio_default_fixture_loop_scope")
    for name, definitions in getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {}).items():
        definition = definitions[-1]
        function = inspect.unwrap(definition.func)
        if not (inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)):
            continue
        scope = definition.scope
        if scope == "function" and item.get_closest_marker("asyncio") is not None:
            scope = getattr(definition.func, "_loop_scope", None) or default or "function"
        if scope not in ("function", "match"):
            return Objection(
                f'its async fixture "{name}" lives for a {scope}, and each run has a loop of its own',
                "FL801",
                "Make the fixture function-scoped",
            )
        if is_given(item):
            return Objection(
                f'all of its examples share the async fixture "{name}", and each run has its own loop',
                "FL808",
                "Make in the test what the fixture makes",
            )
    return None


def _ini(item: pytest.Item, name: str) -> Any:
    try:
        return item.config.getini(name)
    except (ValueError, KeyError):
        return None  # the plugin that has it is not there
