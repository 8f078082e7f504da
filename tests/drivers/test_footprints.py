"""What steps touch of futures, of asyncio's primitives and of anyio's, without being observed."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from faultloop.drivers.asyncio.guided import execute_guided
from faultloop.drivers.frames import ChainTable
from faultloop.drivers.settings import Settings

Scenario = Callable[[], Coroutine[Any, Any, object]]


class Listener:
    """Goes by age, and keeps what each task touched."""

    def __init__(self) -> None:
        self.touched: dict[int, set[int]] = {}
        self.written: dict[int, set[int]] = {}

    def made(self, task: int, /) -> None:
        self.touched[task], self.written[task] = set(), set()

    def pick(self, tasks: Sequence[int], sites: Sequence[int], /) -> int:
        return 0

    def ran(self, task: int, site: int, touched: Sequence[tuple[int, bool]], /) -> None:
        self.touched[task] |= {number for number, _ in touched}
        self.written[task] |= {number for number, is_write in touched if is_write}


def listen(scenario: Scenario) -> Listener:
    # Twice, because what a run imports of anyio reports itself from the next run on.
    for listener in (Listener(), Listener()):
        guided = execute_guided(scenario, Settings("any", None, None), listener, sites=ChainTable(), footprints=True)
        assert guided.facts.error is None, guided.facts.error
    return listener


async def both(first: Coroutine[Any, Any, object], second: Coroutine[Any, Any, object]) -> None:
    await asyncio.gather(first, second)


def conflict(scenario: Scenario) -> bool:
    """Whether the two tasks of a scenario touch one object, and one of them writes to it."""
    listener = listen(scenario)
    return any(listener.written[one] & listener.touched[other] for one, other in ((2, 3), (3, 2)))


@pytest.mark.parametrize("bare", [False, True], ids=["create_future", "Future"])
def test_setting_a_future_conflicts_with_waiting_for_it_and_with_looking(bare: bool):
    def make() -> "asyncio.Future[int]":
        return asyncio.Future() if bare else asyncio.get_running_loop().create_future()

    async def waits() -> None:
        future = make()

        async def wait() -> int:
            return await future

        async def finish() -> None:
            future.set_result(1)

        await both(wait(), finish())

    async def looks() -> None:
        future = make()

        async def look() -> bool:
            return future.done()

        async def finish() -> None:
            future.cancel()

        await both(look(), finish())

    assert conflict(waits)
    assert conflict(looks)


def test_two_futures_do_not_conflict():
    async def scenario() -> None:
        async def own() -> None:
            future = asyncio.get_running_loop().create_future()
            future.set_result(None)
            await future

        await both(own(), own())

    assert not conflict(scenario)


async def event() -> None:
    event = anyio.Event()

    async def set() -> None:
        event.set()

    await both(event.wait(), set())


async def lock() -> None:
    lock = anyio.Lock()

    async def use() -> None:
        async with lock:
            await anyio.lowlevel.checkpoint()

    await both(use(), use())


async def semaphore() -> None:
    semaphore = anyio.Semaphore(1)

    async def look() -> int:
        return semaphore.value

    await both(semaphore.acquire(), look())


async def condition() -> None:
    condition = anyio.Condition()

    async def wait() -> None:
        async with condition:
            await condition.wait()

    async def notify() -> None:
        await anyio.sleep(1)
        async with condition:
            condition.notify()

    await both(wait(), notify())


async def limiter() -> None:
    limiter = anyio.CapacityLimiter(1)

    async def use() -> None:
        async with limiter:
            await anyio.lowlevel.checkpoint()

    async def look() -> float:
        return limiter.available_tokens

    await both(use(), look())


async def stream() -> None:
    send, receive = anyio.create_memory_object_stream[int](1)
    with send, receive:
        await both(send.send(1), receive.receive())


@pytest.mark.parametrize("scenario", [event, lock, semaphore, condition, limiter, stream])
def test_two_tasks_that_use_one_primitive_of_anyio_conflict(scenario: Scenario):
    assert conflict(scenario)


async def two_locks() -> None:
    async def use() -> None:
        async with anyio.Lock():
            await anyio.lowlevel.checkpoint()

    await both(use(), use())


async def two_streams() -> None:
    async def use() -> None:
        send, receive = anyio.create_memory_object_stream[int](1)
        with send, receive:
            await send.send(1)
            await receive.receive()

    await both(use(), use())


@pytest.mark.parametrize("scenario", [two_locks, two_streams])
def test_tasks_with_primitives_of_their_own_do_not(scenario: Scenario):
    assert not conflict(scenario)


def test_a_run_with_touches_recorded_answers_and_is_ordered_like_one_without():
    async def scenario() -> list[str]:
        order: list[str] = []
        futures = {asyncio.get_running_loop().create_future() for _ in range(5)}

        async def use(name: str) -> None:
            await asyncio.sleep(0)
            order.append(name)

        for future in futures:
            future.set_result(None)
        await asyncio.wait(futures)
        await asyncio.gather(*(use(name) for name in "abc"))
        return order

    first, second = (
        execute_guided(scenario, Settings("any", None, None), Listener(), sites=ChainTable(), footprints=footprints)
        for footprints in (False, True)
    )
    assert first.facts.value == second.facts.value == ["a", "b", "c"]
    assert first.schedule == second.schedule
