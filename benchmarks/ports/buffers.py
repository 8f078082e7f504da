"""Buffers that are looked at and changed in two steps."""

from __future__ import annotations

import asyncio
from asyncio import sleep

from benchmarks.ports.shared import Shared


async def circular_buffer(items: int = 3) -> None:
    """SCTBench CS/circular_buffer: the size is published before the slot is written."""
    shared = Shared(first=0, following=0, size=0)
    slots: list[int | None] = [None] * items
    got: list[int | None] = []

    async def send() -> None:
        for item in range(items):
            await sleep(0)
            place = shared.following
            await sleep(0)
            shared.following = (place + 1) % items
            await sleep(0)
            shared.size = shared.size + 1
            await sleep(0)
            slots[place] = item

    async def receive() -> None:
        for _ in range(items):
            await sleep(0)
            if shared.size > 0:
                place = shared.first
                await sleep(0)
                item = slots[place]
                shared.first = (place + 1) % items
                shared.size = shared.size - 1
                got.append(item)

    await asyncio.gather(send(), receive())
    assert got == list(range(len(got))), got


async def queue(items: int = 4) -> None:
    """SCTBench CS/queue: two flags hand a queue over; the consumer trusts a flag set before the element is stored."""
    shared = Shared(may_put=True, may_get=False, tail=0, head=0)
    slots: list[int | None] = [None] * (items + 1)
    lock = asyncio.Lock()

    async def produce() -> None:
        for item in range(items):
            await sleep(0)
            async with lock:
                may_put = shared.may_put
            if may_put:
                await sleep(0)
                shared.may_get = True
                await sleep(0)
                async with lock:
                    slots[shared.tail] = item
                    shared.tail = shared.tail + 1
                await sleep(0)
                shared.may_put = True

    async def consume() -> None:
        for _ in range(items):
            await sleep(0)
            async with lock:
                may_get = shared.may_get
            if may_get:
                await sleep(0)
                async with lock:
                    assert shared.head < shared.tail, "got from an empty queue"
                    assert slots[shared.head] == shared.head
                    shared.head = shared.head + 1
                await sleep(0)
                shared.may_get = shared.head < shared.tail

    await asyncio.gather(produce(), consume())


async def stack(items: int = 3) -> None:
    """SCTBench CS/stack: the test for emptiness and the pop are two steps."""
    shared = Shared(top=0)
    lock = asyncio.Lock()

    async def push() -> None:
        for _ in range(items):
            await sleep(0)
            async with lock:
                shared.top = shared.top + 1

    async def pop() -> None:
        for _ in range(items):
            await sleep(0)
            if shared.top > 0:
                await sleep(0)
                async with lock:
                    shared.top = shared.top - 1
                    assert shared.top >= 0, "popped from an empty stack"

    await asyncio.gather(push(), pop(), pop())


async def stringbuffer() -> None:
    """SCTBench CB/stringbuffer-jdk1.4: append asks for the length, another truncates, then append copies that many."""
    shared = Shared(text="abcdef")
    own, other = asyncio.Lock(), asyncio.Lock()

    async def length() -> int:
        await sleep(0)
        async with other:
            return len(shared.text)

    async def characters(count: int) -> str:
        await sleep(0)
        async with other:
            assert count <= len(shared.text), "index out of bounds"
            return str(shared.text[:count])

    async def append() -> None:
        async with own:
            count = await length()
            await characters(count)

    async def erase() -> None:
        await sleep(0)
        await sleep(0)
        await sleep(0)
        await sleep(0)
        async with other:
            shared.text = ""

    await asyncio.gather(append(), erase())
