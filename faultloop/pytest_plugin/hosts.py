"""Whoever runs async tests, made to run them on a run's loop: anyio, pytest-asyncio, pytest-trio, unittest.

What each of them makes loops with is replaced while a test is performed, and put back. All that is theirs stays: which
tests they take, how fixtures come to the test, what they call a failure.
"""

from __future__ import annotations

import functools
import inspect
import sys
import unittest
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from faultloop.drivers.hosting import Stage, current_stage, performing_on
from faultloop.errors import FaultloopError
from faultloop.pytest_plugin.items import is_unittest


class OtherDriver(FaultloopError):
    """A fixture says that this test runs on another driver than it looked."""

    code = "FL506"

    def __init__(self, name: str) -> None:
        super().__init__(f"this test is run by anyio on {name}")
        self.name = name


@contextmanager
def hosts_on(stage: Stage, *, name: str = "") -> Generator[None]:
    """Let everybody who runs async tests run them on this stage. name: of the task in which anyio runs the test."""
    replaced: list[tuple[Any, str, object]] = []

    def replace(owner: Any, attribute: str, value: object) -> None:
        replaced.append((owner, attribute, owner.__dict__[attribute]))
        setattr(owner, attribute, value)

    if hasattr(anyio_plugin := sys.modules.get("anyio.pytest_plugin"), "get_async_backend"):
        replace(anyio_plugin, "get_async_backend", _anyio_backends(stage, name))
    if stage.driver == "trio" and (trio_plugin := sys.modules.get("pytest_trio.plugin")) is not None:
        replace(trio_plugin.TrioFixture, "__init__", _trio_fixture_init(trio_plugin.TrioFixture.__init__))
        replace(trio_plugin.TrioFixture, "register_and_collect_dependencies", _trio_fixtures_of)
    if stage.driver == "asyncio":
        if hasattr(asyncio_plugin := sys.modules.get("pytest_asyncio.plugin"), "Runner"):
            replace(asyncio_plugin, "Runner", stage.new_runner)
        case: Any = unittest.IsolatedAsyncioTestCase
        replace(case, "_setupAsyncioRunner", _unittest_setup(stage))
        replace(case, "_callTestMethod", _unittest_test(stage, case._callTestMethod))
    try:
        with performing_on(stage):
            yield
    finally:
        for owner, attribute, value in reversed(replaced):
            setattr(owner, attribute, value)


@contextmanager
def testing(item: pytest.Item, stage: Stage) -> Generator[None]:
    """While pytest calls the test: here faults may strike.

    unittest and pytest-trio set fixtures up within the call: there it is the test's own function that says when.
    """
    if is_unittest(item):
        yield
    elif item.get_closest_marker("trio") is not None:
        item.obj = _marking(item.obj, stage)  # type: ignore[attr-defined]
        yield
    else:
        with stage.testing():
            yield


def _marking(function: Callable[..., Any], stage: Stage) -> Callable[..., Any]:
    @functools.wraps(function)
    async def test(*args: Any, **kwargs: Any) -> Any:
        with stage.testing():
            return await function(*args, **kwargs)

    return test


# anyio


def _anyio_backends(stage: Stage, name: str) -> Callable[[str], _AnyioBackend]:
    return lambda backend: _AnyioBackend(stage, backend, name)


class _AnyioBackend:
    """In the place of anyio's, as far as its pytest plugin asks."""

    def __init__(self, stage: Stage, backend: str, name: str) -> None:
        if backend != stage.driver:
            raise OtherDriver(backend)
        self._stage = stage
        self._name = name

    def create_test_runner(self, _: Mapping[str, Any]) -> _AnyioRunner:
        return _AnyioRunner(self._stage, self._name)


class _AnyioRunner:
    """As anyio.abc.TestRunner. All that it runs is run in one task, so that fixtures may leave scopes open."""

    def __init__(self, stage: Stage, name: str) -> None:
        self._stage = stage
        self._name = name

    def __enter__(self) -> _AnyioRunner:
        return self

    def __exit__(self, *_: object) -> None:
        """The run ends with the performance."""

    def is_running(self) -> bool:
        return self._stage.is_running

    def run_asyncgen_fixture(self, fixture_func: Callable[..., Any], kwargs: dict[str, Any]) -> Iterator[Any]:
        generator = fixture_func(**kwargs)
        yield self._stage.call(generator.__anext__, {}, name=self._name)
        try:
            self._stage.call(generator.__anext__, {})
        except StopAsyncIteration:
            return
        self._stage.call(generator.aclose, {})
        raise RuntimeError("Async generator fixture did not stop")

    def run_fixture(self, fixture_func: Callable[..., Any], kwargs: dict[str, Any]) -> Any:
        return self._stage.call(fixture_func, kwargs, name=self._name)

    def run_test(self, test_func: Callable[..., Any], kwargs: dict[str, Any]) -> None:
        self._stage.call(test_func, kwargs, name=self._name)


# unittest


def _unittest_setup(stage: Stage) -> Callable[[Any], None]:
    def set_up_runner(case: Any) -> None:
        case._asyncioRunner = stage.new_runner()

    return set_up_runner


def _unittest_test(stage: Stage, original: Callable[..., Any]) -> Callable[..., Any]:
    def call_test(case: Any, method: Any) -> Any:
        with stage.testing():
            return original(case, method)

    return call_test


# pytest-trio


class _InOrder(dict[Any, None]):
    """In the place of a set: it keeps the order in which things were added."""

    def add(self, thing: object) -> None:
        self[thing] = None


def _trio_fixture_init(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def init(fixture: Any, *args: Any, **kwargs: Any) -> None:
        original(fixture, *args, **kwargs)
        fixture.user_done_events = _InOrder()

    return init


def _trio_fixtures_of(fixture: Any) -> _InOrder:
    """As TrioFixture.register_and_collect_dependencies, whose set starts tasks by order of memory addresses."""
    found = _InOrder()
    found.add(fixture)
    for value in fixture._pytest_kwargs.values():
        if isinstance(value, type(fixture)):
            value.user_done_events.add(fixture._teardown_done)
            found.update(_trio_fixtures_of(value))
    return found


def run_on_trio(function: Callable[..., Any], *args: Any, **how: Any) -> Any:
    """In the place of `trio.run`, for pytest-trio's mark: the run's clock and instruments are its own."""
    stage = current_stage()
    if stage is None:
        return sys.modules["trio"].run(function, *args, **how)
    return stage.call(_taking_none(function, args), {})


def _taking_none(function: Callable[..., Any], args: tuple[Any, ...]) -> Callable[[], Any]:
    async def call() -> Any:
        return await function(*args)

    return call


# Nobody


def call_unhosted(item: pytest.Function) -> bool:
    """Run an async test that no plugin runs. Returns whether it was one."""
    stage = current_stage()
    if stage is None or not inspect.iscoroutinefunction(item.obj) or "anyio_backend" in item.funcargs:
        return False
    arguments = {name: item.funcargs[name] for name in item._fixtureinfo.argnames}
    stage.call(item.obj, arguments, name=item.originalname)
    return True
