"""Locks and conditions: in the wrong order, the wrong one, or not for long enough."""

from __future__ import annotations

import asyncio
from asyncio import sleep

from benchmarks.ports.shared import Shared


async def deadlock01() -> None:
    """SCTBench CS/deadlock01: two tasks take two locks in opposite order."""
    one, other = asyncio.Lock(), asyncio.Lock()

    async def take(first: asyncio.Lock, second: asyncio.Lock, delay: int) -> None:
        for _ in range(delay):
            await sleep(0)
        async with first:
            await sleep(0)
            async with second:
                await sleep(0)

    await asyncio.gather(take(one, other, 1), take(other, one, 4))


async def dining_philosophers(count: int) -> None:
    """SCTBench CS/din_philN: all hold their left fork and wait for the right one."""
    forks = [asyncio.Lock() for _ in range(count)]

    async def dine(place: int) -> None:
        await sleep(0)
        async with forks[place]:
            await sleep(0)
            async with forks[(place + 1) % count]:
                await sleep(0)

    async def come(place: int) -> None:
        for _ in range(3 * place):
            await sleep(0)
        await dine(place)

    await asyncio.gather(*[come(place) for place in range(count)])


async def lazy01() -> None:
    """SCTBench CS/lazy01: two tasks add to a sum, a third asserts that it is below 3."""
    shared = Shared(total=0)
    lock = asyncio.Lock()

    async def add(amount: int) -> None:
        await sleep(0)
        async with lock:
            shared.total = shared.total + amount

    async def check() -> None:
        await sleep(0)
        async with lock:
            assert shared.total < 3

    await asyncio.gather(check(), add(1), add(2))


async def sync01() -> None:
    """SCTBench CS/sync01, alike: a wait without a predicate; a signal that comes early is lost."""
    shared = Shared(number=0)
    condition = asyncio.Condition()

    async def wait_twice() -> None:
        await sleep(0)
        async with condition:
            if shared.number == 0:
                await condition.wait()
        await sleep(0)
        async with condition:
            await condition.wait()

    async def signal_twice() -> None:
        for _ in range(3):
            await sleep(0)
        async with condition:
            shared.number = 1
            condition.notify()
        for _ in range(6):
            await sleep(0)
        async with condition:
            shared.number = 2
            condition.notify()

    await asyncio.gather(wait_twice(), signal_twice())


async def twostage(tasks: int) -> None:
    """SCTBench CS/twostage_N: one stage under each of two locks; a reader that comes between them fails."""
    shared = Shared(first=0, second=0)
    first_lock, second_lock = asyncio.Lock(), asyncio.Lock()

    async def write() -> None:
        await sleep(0)
        async with first_lock:
            await sleep(0)
            shared.first = 1
        await sleep(0)
        async with second_lock:
            await sleep(0)
            shared.second = shared.first + 1

    async def read() -> None:
        await sleep(0)
        async with first_lock:
            await sleep(0)
            if shared.first == 0:
                return
            first = shared.first
        await sleep(0)
        async with second_lock:
            await sleep(0)
            second = shared.second
        assert second == first + 1

    await asyncio.gather(*[write() for _ in range(tasks - 1)], read())


async def wronglock(wrong_tasks: int) -> None:
    """SCTBench CS/wronglock: one task changes a number under its lock, the others under another."""
    shared = Shared(number=0)
    right_lock, wrong_lock = asyncio.Lock(), asyncio.Lock()

    async def right() -> None:
        await sleep(0)
        async with right_lock:
            number = shared.number
            await sleep(0)
            shared.number = number + 1
            await sleep(0)
            assert shared.number == number + 1

    async def wrong() -> None:
        await sleep(0)
        async with wrong_lock:
            await sleep(0)
            shared.number = shared.number + 1

    await asyncio.gather(right(), *[wrong() for _ in range(wrong_tasks)])
