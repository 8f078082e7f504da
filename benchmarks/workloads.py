"""The programs that benchmarks run: plain asyncio, none of them knows what loop it is on."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Awaitable, Callable

Workload = Callable[[], Awaitable[object]]


def sleeping(tasks: int = 100, each: int = 2_000) -> tuple[Workload, int]:
    """Tasks that give way again and again. Returns the program and its number of steps."""

    async def worker() -> None:
        for _ in range(each):
            await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(*(worker() for _ in range(tasks)))

    return main, tasks * each


def queues(pairs: int = 25, each: int = 2_000) -> tuple[Workload, int]:
    """Pairs of tasks that hand an item to each other. Returns the program and its number of steps."""

    async def ping(there: asyncio.Queue[int], back: asyncio.Queue[int]) -> None:
        for i in range(each):
            await there.put(i)
            await back.get()

    async def pong(there: asyncio.Queue[int], back: asyncio.Queue[int]) -> None:
        for i in range(each):
            await there.get()
            await back.put(i)

    async def main() -> None:
        tasks = []
        for _ in range(pairs):
            there, back = asyncio.Queue[int](1), asyncio.Queue[int](1)
            tasks += [asyncio.ensure_future(ping(there, back)), asyncio.ensure_future(pong(there, back))]
        await asyncio.gather(*tasks)

    return main, pairs * each * 2


async def small(scale: float = 1) -> None:
    """A producer, a bounded queue and three workers: the size of an ordinary test. scale: how long its sleeps are."""
    queue: asyncio.Queue[int | None] = asyncio.Queue(maxsize=5)
    done: list[int] = []

    async def producer() -> None:
        for i in range(20):
            await queue.put(i)
            await asyncio.sleep(0.01 * scale)
        for _ in range(3):
            await queue.put(None)

    async def worker() -> None:
        while True:
            job = await queue.get()
            if job is None:
                return
            await asyncio.sleep(0.02 * scale)
            done.append(job)
            await asyncio.sleep(0.005 * scale)

    await asyncio.gather(producer(), *(worker() for _ in range(3)))
    assert sorted(done) == list(range(20))


def timers(count: int = 10_000) -> tuple[Workload, int]:
    """Tasks that each sleep for a while of their own. Returns the program and its number of timers."""

    async def sleeper(i: int) -> None:
        await asyncio.sleep((i * 7919 % count) * 0.001)

    async def main() -> None:
        await asyncio.gather(*(sleeper(i) for i in range(count)))

    return main, count


def crowd(tasks: int = 100_000, each: int = 3) -> tuple[Workload, int]:
    """Very many tasks that are all ready at once. Returns the program and its number of steps."""

    async def worker() -> None:
        for _ in range(each):
            await asyncio.sleep(0)

    async def main() -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        made = [asyncio.ensure_future(worker()) for _ in range(tasks)]
        for task in made:
            await task
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before

    return main, tasks * each
