"""Who may go on, and when: locks, conditions, barriers, latches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


class ReadWriteLock:
    """Many readers or one writer; a writer that waits goes before readers that come later."""

    def __init__(self) -> None:
        """Nobody is inside."""
        self.readers = 0
        self.is_written = False
        self._writers_waiting = 0
        self._waiting: list[asyncio.Future[None]] = []

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        """Inside together with other readers."""
        while self.is_written or self._writers_waiting:
            await self._change()
        self.readers += 1
        try:
            yield
        finally:
            self.readers -= 1
            self._wake()

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Inside alone."""
        self._writers_waiting += 1
        try:
            while self.is_written or self.readers:
                await self._change()
            self.is_written = True
        finally:
            self._writers_waiting -= 1
            self._wake()  # readers may have waited for a writer that gives up
        try:
            yield
        finally:
            self.is_written = False
            self._wake()

    async def _change(self) -> None:
        change = asyncio.get_running_loop().create_future()
        self._waiting.append(change)
        try:
            await change
        finally:
            self._waiting.remove(change)

    def _wake(self) -> None:
        for change in self._waiting:
            if not change.done():
                change.set_result(None)


async def readers_and_writers() -> None:
    """Readers see both halves of each write, or neither."""
    lock, left, right = ReadWriteLock(), 0, 0

    async def write() -> None:
        nonlocal left, right
        async with lock.writing():
            assert lock.readers == 0
            left += 1
            try:
                await asyncio.sleep(0.1)
            finally:
                right += 1

    async def read() -> None:
        for _ in range(2):
            async with lock.reading():
                assert not lock.is_written
                assert left == right
                await asyncio.sleep(0.05)

    try:
        async with asyncio.TaskGroup() as group:
            for part in (read, write, read, write, read):
                group.create_task(part())
    finally:
        assert (lock.readers, lock.is_written) == (0, False)
        assert left == right


async def a_barrier_breaks_when_somebody_is_missing() -> None:
    """All pass together; if one is gone, the others hear of it after a while."""
    barrier, passed, broken = asyncio.Barrier(3), 0, 0

    async def party(pause: float) -> None:
        nonlocal passed, broken
        await asyncio.sleep(pause)
        try:
            async with asyncio.timeout(2):
                await barrier.wait()
            passed += 1
        except (asyncio.BrokenBarrierError, TimeoutError):
            await barrier.abort()
            broken += 1

    async with asyncio.TaskGroup() as group:
        parties = [group.create_task(party(0.1 * number)) for number in range(3)]
    assert passed + broken + sum(party.cancelled() for party in parties) == 3
    assert barrier.n_waiting == 0


async def a_bounded_buffer() -> None:
    """A condition with predicates: no item is lost, none is got twice."""
    changed, items, got, put = asyncio.Condition(), list[int](), list[int](), list[int]()

    async def produce(number: int) -> None:
        async with changed:
            await changed.wait_for(lambda: len(items) < 1)
            items.append(number)
            put.append(number)
            changed.notify_all()

    async def consume() -> None:
        async with changed:
            await changed.wait_for(lambda: bool(items))
            got.append(items.pop())
            changed.notify_all()

    tasks = [asyncio.create_task(part) for number in range(3) for part in (produce(number), consume())]
    try:
        await asyncio.wait(tasks, timeout=5)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert not changed.locked()
    assert sorted(got + items) == sorted(put)


async def an_event_starts_everybody() -> None:
    """Whoever waits for the event starts, once."""
    ready, started = asyncio.Event(), list[int]()

    async def runner(number: int) -> None:
        await ready.wait()
        started.append(number)

    async with asyncio.TaskGroup() as group:
        runners = [group.create_task(runner(number)) for number in range(3)]
        await asyncio.sleep(0.1)
        ready.set()
    assert sorted(started) == [number for number, task in enumerate(runners) if not task.cancelled()]


@dataclass(slots=True)
class Latch:
    """Opens when it was counted down to nothing."""

    count: int
    _open: asyncio.Event = field(default_factory=asyncio.Event)

    def down(self) -> None:
        """One less is missing."""
        self.count -= 1
        if self.count == 0:
            self._open.set()

    async def wait(self) -> None:
        """Until nothing is missing."""
        await self._open.wait()


async def a_latch_opens_whoever_is_cancelled() -> None:
    """Each part counts down as it ends, so nobody waits for one that was cancelled."""
    latch, finished, seen = Latch(3), 0, list[int]()

    async def part(number: int) -> None:
        nonlocal finished
        try:
            await asyncio.sleep(0.1 * number)
            finished += 1
        finally:
            latch.down()

    async def watch() -> None:
        await latch.wait()
        seen.append(finished)

    async with asyncio.TaskGroup() as group:
        watching = [group.create_task(watch()) for _ in range(2)]
        for number in range(3):
            group.create_task(part(number))
    assert latch.count == 0
    assert seen == [finished] * sum(not task.cancelled() for task in watching)


async def transfers_take_locks_in_order() -> None:
    """Two locks, always the lower one first: no deadlock, and no money is made or lost."""
    balances, locks = [100, 100, 100], [asyncio.Lock() for _ in range(3)]

    async def transfer(source: int, target: int, amount: int) -> None:
        low, high = sorted((source, target))
        async with locks[low], locks[high]:
            await asyncio.sleep(0.01)  # the bank is asked; cancelled here, nothing has been booked
            balances[source] -= amount  # no await between the two
            balances[target] += amount
            await asyncio.sleep(0.01)

    try:
        async with asyncio.TaskGroup() as group:
            for source, target in ((0, 1), (1, 0), (1, 2), (2, 0)):
                group.create_task(transfer(source, target, 10))
    finally:
        assert sum(balances) == 300
        assert not any(lock.locked() for lock in locks)


async def a_lock_with_a_deadline() -> None:
    """Who cannot have the lock in time goes without, and leaves nothing behind in its queue."""
    lock, inside, gave_up, entered = asyncio.Lock(), 0, 0, 0

    async def enter(patience: float) -> None:
        nonlocal inside, gave_up, entered
        try:
            async with asyncio.timeout(patience):
                await lock.acquire()
        except TimeoutError:
            gave_up += 1  # without the lock: acquire passes it on when it is cancelled on the way
            return
        try:
            inside += 1
            entered += 1
            assert inside == 1
            await asyncio.sleep(0.3)
        finally:
            inside -= 1
            lock.release()

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(enter(patience)) for patience in (1, 0.2, 0.5)]
    assert entered + gave_up + sum(task.cancelled() for task in tasks) >= 3
    assert not lock.locked()
