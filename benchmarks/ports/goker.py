"""Kernels of blocking bugs in Go programs, from GoBench's GoKer."""

from __future__ import annotations

import asyncio
from asyncio import sleep

from benchmarks.ports.shared import Channel, Shared, receive_first


async def cockroach_1055(workers: int = 2) -> None:
    """Stop waits for running tasks while it holds the lock that they need to end."""
    shared = Shared(is_draining=False, tasks=0)
    lock = asyncio.Lock()
    drained = asyncio.Event()

    async def start_task() -> bool:
        await sleep(0)
        async with lock:
            if shared.is_draining:
                return False
            shared.tasks = shared.tasks + 1
            return True

    async def end_task() -> None:
        await sleep(0)
        async with lock:
            shared.tasks = shared.tasks - 1
            if shared.tasks == 0:
                drained.set()

    async def work(delay: int) -> None:
        for _ in range(delay):
            await sleep(0)
        if await start_task():
            await sleep(0)
            await end_task()

    async def stop() -> None:
        for _ in range(8):
            await sleep(0)
        async with lock:
            shared.is_draining = True
            if shared.tasks:
                drained.clear()
                await drained.wait()

    await asyncio.gather(*[work(delay) for delay in range(workers)], stop())


async def etcd_6857() -> None:
    """Status is sent to a node whose loop has already stopped."""
    status, stopping, done = Channel("status"), Channel("stopping"), Channel("done")

    async def run() -> None:
        while True:
            index, _ = await receive_first(status, stopping)
            if index == 1:
                done.close()
                return

    async def stop() -> None:
        for _ in range(3):
            await sleep(0)
        await stopping.send()
        await done.receive()

    async def ask_status() -> None:
        await sleep(0)
        await status.send("status")

    await asyncio.gather(run(), stop(), ask_status())


async def etcd_7492() -> None:
    """The keeper's ticker needs the lock of a sender that waits for the keeper."""
    lock = asyncio.Lock()
    added, ticks, stopping = Channel("added"), Channel("ticks", 1), Channel("stopping")

    async def keep() -> None:
        while True:
            index, _ = await receive_first(added, ticks, stopping)
            if index == 1:
                await sleep(0)
                async with lock:
                    await sleep(0)
            elif index == 2:
                return

    async def assign(delay: int) -> None:
        for _ in range(delay):
            await sleep(0)
        async with lock:
            await sleep(0)
            await added.send(delay)

    async def tick() -> None:
        for _ in range(12):
            await sleep(0)
        ticks.try_send(1)

    keeper = asyncio.ensure_future(keep())
    await asyncio.gather(assign(1), assign(2), assign(3), tick())
    await stopping.send()
    await keeper


async def kubernetes_10182(updates: int = 2) -> None:
    """One takes from the channel, then the lock; another holds the lock while it sends."""
    lock = asyncio.Lock()
    channel = Channel("status")

    async def sync_batch() -> None:
        for _ in range(updates):
            await channel.receive()
            await sleep(0)
            async with lock:
                await sleep(0)

    async def set_status(number: int) -> None:
        for _ in range(7 * number):
            await sleep(0)
        async with lock:
            await sleep(0)
            await channel.send(number)

    await asyncio.gather(sync_batch(), *[set_status(number) for number in range(updates)])


class ReadWriteLock:
    """Many readers or one writer; a waiting writer goes before new readers."""

    def __init__(self) -> None:
        self._changed = asyncio.Condition()
        self._readers = 0
        self._is_written = False
        self._writers_waiting = 0

    async def acquire_read(self) -> None:
        """Begin to read."""
        async with self._changed:
            while self._is_written or self._writers_waiting:
                await self._changed.wait()
            self._readers += 1

    async def release_read(self) -> None:
        """Read no more."""
        async with self._changed:
            self._readers -= 1
            self._changed.notify_all()

    async def acquire_write(self) -> None:
        """Begin to write."""
        async with self._changed:
            self._writers_waiting += 1
            while self._is_written or self._readers:
                await self._changed.wait()
            self._writers_waiting -= 1
            self._is_written = True

    async def release_write(self) -> None:
        """Write no more."""
        async with self._changed:
            self._is_written = False
            self._changed.notify_all()


async def kubernetes_58107() -> None:
    """Readers that read again while a writer waits between."""
    lock = ReadWriteLock()

    async def work() -> None:
        await sleep(0)
        await lock.acquire_read()
        await sleep(0)
        await lock.acquire_read()
        await sleep(0)
        await lock.release_read()
        await lock.release_read()

    async def sync() -> None:
        for _ in range(9):
            await sleep(0)
        await lock.acquire_write()
        await sleep(0)
        await lock.release_write()

    await asyncio.gather(work(), work(), sync())


async def serving_2137() -> None:
    """The breaker lets one request through, and the client takes it to be the first."""
    pending, active = Channel("pending", 2), Channel("active", 1)

    async def request(lock: asyncio.Lock, accepted: Channel) -> None:
        if not pending.try_send(1):
            await accepted.send(False)
            return
        await sleep(0)
        await active.send(1)
        await sleep(0)
        async with lock:
            pass
        await active.receive()
        await pending.receive()
        await accepted.send(True)

    first_lock, second_lock = asyncio.Lock(), asyncio.Lock()
    first, second = Channel("first"), Channel("second")
    await first_lock.acquire()
    await second_lock.acquire()
    first_request = asyncio.ensure_future(request(first_lock, first))
    second_request = asyncio.ensure_future(request(second_lock, second))
    for _ in range(4):
        await sleep(0)
    first_lock.release()
    await first.receive()
    second_lock.release()
    await second.receive()
    await first_request
    await second_request
