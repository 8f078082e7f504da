"""Bugs that need no threads: what happened during an await was not expected."""

from __future__ import annotations

import asyncio
from asyncio import sleep

from benchmarks.ports.shared import Shared


async def cache_stampede(readers: int = 3) -> None:
    """Check, await, set: the loader of a cache runs more than once."""
    shared = Shared(value=None, loads=0)
    first = asyncio.Event()

    async def get(reader: int) -> None:
        if reader:
            await first.wait()
        if shared.value is None:
            shared.loads = shared.loads + 1
            await sleep(0)
            shared.value = 1
            first.set()

    async def warm() -> None:
        for _ in range(4):
            await sleep(0)
        first.set()

    await asyncio.gather(get(0), *[get(reader) for reader in range(1, readers)], warm())
    assert shared.loads == 1, shared.loads


async def lost_event(items: int = 3) -> None:
    """The consumer clears the event after it looked, and with it the news that came in between."""
    news = asyncio.Event()
    inbox: list[int] = []

    async def produce() -> None:
        for item in range(items):
            await sleep(0)
            inbox.append(item)
            news.set()
            await sleep(0)
            await sleep(0)

    async def consume() -> None:
        got = 0
        while got < items:
            await news.wait()
            while inbox:
                inbox.pop(0)
                got += 1
            await sleep(0)
            news.clear()

    await asyncio.gather(produce(), consume())


async def pbzip2(consumers: int = 2) -> None:
    """SCTBench CB/pbzip2, alike: the queue is taken down when the producer is done, consumers may still use it."""
    shared = Shared(is_alive=True, items=0, is_finished=False)

    async def consume() -> None:
        for _ in range(60):
            await sleep(0)
            assert shared.is_alive, "the queue was used after it was freed"
            if shared.items > 0:
                shared.items = shared.items - 1
            elif shared.is_finished:
                return

    async def produce() -> None:
        for _ in range(3):
            await sleep(0)
            shared.items = shared.items + 1
        await sleep(0)
        shared.is_finished = True

    async def main() -> None:
        await produce()
        for _ in range(8):
            await sleep(0)
        shared.is_alive = False

    await asyncio.gather(main(), *[consume() for _ in range(consumers)])
