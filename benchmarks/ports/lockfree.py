"""Protocols without locks, and one order in which they break."""

from __future__ import annotations

import asyncio
from asyncio import sleep

from benchmarks.ports.shared import Shared


async def reorder(tasks: int) -> None:
    """SCTBench CS/reorder_N: setters write a, then b; the checker must not see the one without the other."""
    shared = Shared(a=0, b=0)

    async def write() -> None:
        await sleep(0)
        shared.a = 1
        await sleep(0)
        shared.b = -1

    async def check() -> None:
        await sleep(0)
        if shared.a == 0:
            await sleep(0)
            if shared.b == 0:
                return
        await sleep(0)
        if shared.a == 1:
            await sleep(0)
            if shared.b == -1:
                return
        raise AssertionError("saw a without b")

    await asyncio.gather(*[write() for _ in range(tasks - 1)], check())


async def bluetooth_driver() -> None:
    """SCTBench CS/bluetooth_driver: the adder looks at a flag, the stopper sets it and stops, the adder goes on."""
    shared = Shared(pending=1, is_stopping=False, is_stopped=False)
    nobody_left = asyncio.Event()

    async def leave() -> None:
        await sleep(0)
        shared.pending = shared.pending - 1
        if shared.pending == 0:
            nobody_left.set()

    async def add() -> None:
        await sleep(0)
        if shared.is_stopping:
            return
        await sleep(0)
        shared.pending = shared.pending + 1
        await sleep(0)
        assert not shared.is_stopped, "used after it was stopped"
        await leave()

    async def stop() -> None:
        await sleep(0)
        shared.is_stopping = True
        await leave()
        await nobody_left.wait()
        await sleep(0)
        shared.is_stopped = True

    await asyncio.gather(add(), stop())


async def work_steal_queue(items: int, thieves: int) -> None:
    """CHESS WorkStealQueue without the owner's second look: owner pops, thieves steal, one item is taken twice."""
    shared = Shared(head=0, tail=0)
    slots: list[int | None] = [None] * (items + 1)
    taken: list[int | None] = []
    lock = asyncio.Lock()

    async def own() -> None:
        for item in range(items):
            await sleep(0)
            slots[shared.tail] = item
            await sleep(0)
            shared.tail = shared.tail + 1
        for _ in range(items):
            await sleep(0)
            tail = shared.tail - 1
            await sleep(0)
            shared.tail = tail
            await sleep(0)
            head = shared.head
            if head <= tail:
                taken.append(slots[tail])
            else:
                await sleep(0)
                shared.tail = tail + 1
                return

    async def steal() -> None:
        for _ in range(2):
            await sleep(0)
            async with lock:
                head = shared.head
                await sleep(0)
                tail = shared.tail
                if head < tail:
                    await sleep(0)
                    item = slots[head]
                    await sleep(0)
                    shared.head = head + 1
                    taken.append(item)

    await asyncio.gather(own(), *[steal() for _ in range(thieves)])
    assert len(taken) == len(set(taken)), taken


async def safestack(cells: int = 3, rounds: int = 2) -> None:
    """D. Vyukov's SafeStack: a stack of cells without locks; one cell gets two owners after five preemptions."""
    following = Shared("following", **{f"n{i}": (i + 1 if i < cells - 1 else -1) for i in range(cells)})
    shared = Shared(head=0, count=cells)
    owner = Shared("owner", **{f"o{i}": -1 for i in range(cells)})

    async def pop() -> int:
        while True:
            await sleep(0)
            if shared.count <= 1:
                return -1
            await sleep(0)
            head = int(shared.head)
            if head < 0:
                continue
            await sleep(0)
            old = getattr(following, f"n{head}")
            setattr(following, f"n{head}", -2)
            if old == -2:
                continue
            await sleep(0)
            if shared.head == head:
                shared.head = old
                await sleep(0)
                shared.count = shared.count - 1
                return head
            setattr(following, f"n{head}", old)

    async def push(cell: int) -> None:
        while True:
            await sleep(0)
            head = shared.head
            await sleep(0)
            setattr(following, f"n{cell}", head)
            await sleep(0)
            if shared.head == head:
                shared.head = cell
                break
        await sleep(0)
        shared.count = shared.count + 1

    async def work(worker: int) -> None:
        for _ in range(rounds):
            for _ in range(4):
                cell = await pop()
                if cell >= 0:
                    break
            else:
                return
            setattr(owner, f"o{cell}", worker)
            await sleep(0)
            assert getattr(owner, f"o{cell}") == worker, "a cell has two owners"
            await push(cell)

    await asyncio.gather(*[work(worker) for worker in range(3)])


async def depth(length: int, noise_steps: int = 6) -> None:
    """A needle: two tasks must write in one fixed order (a Thue-Morse word); every other order passes."""
    word = [bin(place).count("1") & 1 for place in range(length)]
    shared = Shared(x=0, z=0)

    async def write(letter: int) -> None:
        for _ in range(word.count(letter)):
            await sleep(0)
            place = shared.x
            shared.x = place + 1 if place >= 0 and word[place] == letter else -1

    async def noise() -> None:
        for _ in range(noise_steps):
            await sleep(0)
            shared.z = shared.z + 1

    await asyncio.gather(write(0), write(1), noise())
    assert shared.x != length, "the one bad order"
