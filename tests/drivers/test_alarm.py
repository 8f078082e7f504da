"""One alarm for many runs, and what is left of a run when it is over."""

from __future__ import annotations

import asyncio
import gc
import signal
import weakref
from collections.abc import Awaitable, Callable

import pytest

from faultloop.drivers.alarm import many_runs
from faultloop.drivers.asyncio.run import execute
from faultloop.drivers.facts import Facts
from faultloop.drivers.settings import Settings
from faultloop.errors import OverLimit
from faultloop.model.limits import Limits

SHORT = Settings(limits=Limits(wall_seconds=0.1))


async def short() -> str:
    await asyncio.sleep(1)
    return "done"


async def endless() -> None:
    while True:
        pass


async def takes_the_alarm() -> None:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, 0)


def the_alarm() -> object:
    return signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)


def is_interrupted(facts: Facts) -> bool:
    return isinstance(facts.halted, OverLimit) and "limits.wall_seconds" in facts.halted.args[0]


def test_runs_that_share_an_alarm_are_each_interrupted_when_their_time_is_up():
    before = the_alarm()
    with many_runs(0.1):
        assert execute(short, SHORT).value == "done"
        assert is_interrupted(execute(endless, SHORT))
        assert execute(short, SHORT).value == "done"
        assert is_interrupted(execute(endless, SHORT))
    assert the_alarm() == before


def test_an_alarm_shared_within_a_shared_one_ends_with_the_outer():
    with many_runs(0.1):
        with many_runs(0.1):
            pass
        assert is_interrupted(execute(endless, SHORT))


def test_a_program_that_takes_the_alarm_takes_it_from_its_own_run_only():
    before = the_alarm()
    with many_runs(0.1):
        execute(takes_the_alarm, SHORT)
        assert is_interrupted(execute(endless, SHORT))
    assert the_alarm() == before


def test_a_handler_of_the_users_is_left_alone_by_runs_that_would_share_one():
    def mine(number: int, frame: object) -> None:
        raise AssertionError("no alarm was set")

    before = signal.signal(signal.SIGALRM, mine)
    try:
        with many_runs(10):
            execute(short, SHORT)
            assert signal.getsignal(signal.SIGALRM) is mine
        assert signal.getsignal(signal.SIGALRM) is mine
    finally:
        signal.signal(signal.SIGALRM, before)


async def fails() -> None:
    await asyncio.sleep(1)
    raise LookupError


async def is_cancelled() -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize("inner", [short, fails, is_cancelled])
def test_a_run_leaves_its_loop_to_nobody_not_even_to_the_collector(inner: Callable[[], Awaitable[object]]):
    """Thousands of runs are made in a row, and a look at all tasks passes those of loops that wait to be collected."""
    loops: list[weakref.ref[object]] = []

    async def scenario() -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        await inner()

    gc.disable()
    try:
        facts = execute(scenario, Settings())
        assert (facts.error is None) == (inner is short)
        del facts
        assert [loop() for loop in loops] == [None]
    finally:
        gc.enable()


def test_sleep_is_asyncios_own_code_and_works_on_any_loop():
    execute(short, Settings())
    assert asyncio.sleep.__code__.co_filename == asyncio.tasks.__file__
    assert asyncio.iscoroutinefunction(asyncio.sleep)
    assert asyncio.run(asyncio.sleep(0.0001, "slept")) == "slept"
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.sleep(1).send(None)
