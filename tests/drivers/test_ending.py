"""A bounded end for every run: no leftover of the program's can keep it from ending."""

# ruff: noqa: SIM105 (swallowing cancellations is what these programs are for)

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

import faultloop
from faultloop import Status
from tests.drivers.support import ends_quickly, passed


async def _swallows_for_ever() -> None:
    while True:
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            pass


async def _spins() -> None:
    while True:
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            pass


async def _arms_timers() -> None:
    loop = asyncio.get_running_loop()

    def again() -> None:
        loop.call_later(0.001, again)

    again()
    while True:
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            pass


async def _waits_in_finally() -> None:
    try:
        await asyncio.sleep(100)
    finally:
        await asyncio.Event().wait()


async def _naps_in_finally() -> None:
    try:
        await asyncio.sleep(100)
    finally:
        await asyncio.sleep(10**6)


async def _raises_in_finally() -> None:
    try:
        await asyncio.sleep(100)
    finally:
        raise RuntimeError("in a cleanup")


async def _breeds() -> None:
    try:
        await asyncio.sleep(100)
    finally:
        kept.append(asyncio.create_task(_breeds()))


async def _exits() -> None:
    try:
        await asyncio.sleep(100)
    finally:
        raise SystemExit


kept: list[Any] = []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore:coroutine '_breeds' was never")
@pytest.mark.parametrize(
    "leftover",
    [
        _swallows_for_ever, _spins, _arms_timers, _waits_in_finally,
        _naps_in_finally, _raises_in_finally, _breeds, _exits,
    ],
)  # fmt: skip
def test_a_leftover_task_cannot_keep_a_run_from_ending(leftover: Callable[[], Any]):
    """What ending it costs is no part of the run: same status, steps and time as had it gone quietly."""

    async def scenario() -> str:
        kept.append(asyncio.create_task(leftover(), name="leftover"))
        await asyncio.sleep(0)
        return "done"

    kept.clear()
    run = ends_quickly(scenario)
    assert (run.status, run.value, run.virtual_time) == (Status.PASSED, "done", 0)
    assert [(f.check, f.task) for f in run.trace.outcome.findings] == [("leaked_tasks", f"{_root(run)}/leftover")]
    assert passed(lambda: asyncio.sleep(1)).virtual_time == 1
    kept.clear()
    gc.collect()  # what would not end is let go here, and not in somebody else's test


def _root(run: faultloop.Run) -> str:
    return run.trace.tasks[0].path


@pytest.mark.parametrize("ending", ["quietly", "waiting", "yielding on"])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_open_async_generator_cannot_keep_a_run_from_ending(ending: str):
    streams: list[Any] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            if ending == "waiting":
                await asyncio.Event().wait()
            while ending == "yielding on":
                yield 2

    async def scenario() -> None:
        streams.append(numbers())
        await anext(streams[0])

    run = ends_quickly(scenario)
    assert run.status is Status.PASSED
    assert [finding.check for finding in run.trace.outcome.findings] == ["open_generators"]
    streams.clear()
    gc.collect()


def test_leftovers_are_let_go_in_the_order_made_and_their_cleanup_runs():
    log: list[int] = []

    async def leftover(number: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            log.append(number)

    async def scenario() -> None:
        kept.extend(asyncio.create_task(leftover(n)) for n in range(10))
        await asyncio.sleep(0)

    passed(scenario)
    kept.clear()
    assert log == list(range(10))
