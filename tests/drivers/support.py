"""What several of these tests need: a run that must pass, or end, and a loop of our own."""

import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import faultloop
from faultloop import Run, Status
from faultloop.drivers.asyncio.loop import Loop

since_312 = pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with 3.12")


def passed(scenario: Callable[[], Awaitable[Any]], **how: Any) -> Run:
    """Run a scenario that is meant to pass."""
    run = faultloop.run(scenario, **how)
    assert run.status is Status.PASSED, (run.status, run.trace.outcome.message, run.exception, run.trace.outcome)
    return run


def ends_quickly(scenario: Callable[[], Awaitable[Any]], **how: Any) -> Run:
    """A run and its teardown, which together must stay within a few seconds of real time."""
    began = time.perf_counter()
    run = faultloop.run(scenario, **how)
    assert time.perf_counter() - began < 10
    return run


def value(scenario: Callable[[], Awaitable[Any]], **how: Any) -> Any:
    """What a scenario that is meant to pass returns."""
    return passed(scenario, **how).value


def complete(coroutine: Any, **how: Any) -> Any:
    """Run a coroutine on a loop of our own, as any caller of `run_until_complete` would."""
    loop = Loop(**how)
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.close()
