"""What is limited is handed out, and comes back whoever is cancelled with it in hand."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


class SlotPool:
    """Slots that are handed over in turn: who is cancelled with a slot on its way passes it on."""

    def __init__(self, size: int) -> None:
        """All slots are free."""
        self.size = self.free = size
        self._waiters: deque[asyncio.Future[None]] = deque()

    async def acquire(self) -> None:
        """Take a slot, or wait until one is handed over."""
        if self.free:
            self.free -= 1
            return
        slot = asyncio.get_running_loop().create_future()
        self._waiters.append(slot)
        try:
            await slot
        except asyncio.CancelledError:
            if slot.done() and not slot.cancelled():
                self.release()
            raise
        finally:
            if slot in self._waiters:
                self._waiters.remove(slot)

    def release(self) -> None:
        """Hand a slot over to who has waited longest, or free it."""
        while self._waiters:
            slot = self._waiters.popleft()
            if not slot.done():
                slot.set_result(None)
                return
        self.free += 1

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """A slot for the length of a block."""
        await self.acquire()
        try:
            yield
        finally:
            self.release()


async def slots_are_handed_over() -> None:
    """A pool without a lock; every slot is free at the end."""
    pool = SlotPool(2)

    async def worker(pauses: int) -> None:
        for _ in range(pauses):
            async with pool.slot():
                await asyncio.sleep(0.1)

    try:
        async with asyncio.TaskGroup() as group:
            for pauses in (1, 2, 3):
                group.create_task(worker(pauses))
    finally:
        assert pool.free == pool.size


@dataclass(eq=False, slots=True)
class Connection:
    """Answers one request at a time."""

    is_open: bool = True
    is_busy: bool = False

    async def request(self, number: int) -> int:
        """The answer. A cancelled request leaves the connection in the middle of it."""
        assert self.is_open
        assert not self.is_busy, "two requests on one connection"
        self.is_busy = True
        await asyncio.sleep(0.1)
        self.is_busy = False
        return number * number


@dataclass(slots=True)
class ConnectionPool:
    """At most `size` connections. One that was left in the middle of a request is closed, never used again."""

    size: int
    opened: list[Connection] = field(default_factory=list)
    _idle: list[Connection] = field(default_factory=list)
    _permits: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._permits = asyncio.Semaphore(self.size)

    @property
    def living(self) -> list[Connection]:
        """Connections that are open."""
        return [connection for connection in self.opened if connection.is_open]

    @property
    def has_settled(self) -> bool:
        """Whether every open connection is idle."""
        return sorted(map(id, self.living)) == sorted(map(id, self._idle))

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection that nobody else has."""
        async with self._permits:
            connection = self._idle.pop() if self._idle else await self._open()
            try:
                yield connection
            except BaseException:
                connection.is_open = False
                raise
            self._idle.append(connection)

    async def _open(self) -> Connection:
        await asyncio.sleep(0.05)  # cancelled here, nothing has been opened
        connection = Connection()
        self.opened.append(connection)
        assert len(self.living) <= self.size
        return connection


async def connections_are_lent() -> None:
    """Requests over fewer connections than callers, each with a deadline of its own."""
    pool, answers = ConnectionPool(2), dict[int, int]()

    async def caller(number: int) -> None:
        try:
            async with asyncio.timeout(1), pool.connection() as connection:
                answers[number] = await connection.request(number)
        except TimeoutError:
            answers[number] = -1

    try:
        async with asyncio.TaskGroup() as group:
            for number in range(4):
                group.create_task(caller(number))
    finally:
        assert pool.has_settled
        assert all(answer in (-1, number * number) for number, answer in answers.items())


async def a_semaphore_limits() -> None:
    """Never more inside than it allows, and all of its places are free again at the end."""
    limit, inside = asyncio.Semaphore(2), 0

    async def enter() -> None:
        nonlocal inside
        async with limit:
            inside += 1
            assert inside <= 2
            try:
                await asyncio.sleep(0.1)
            finally:
                inside -= 1

    async with asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(enter())
    assert inside == 0
    async with asyncio.timeout(1):
        for _ in range(2):
            await limit.acquire()


async def a_permit_is_handed_to_another_task() -> None:
    """Taken by who submits, given back by who completes: whoever holds a permit when it ends gives it back."""
    permits, submitted = asyncio.BoundedSemaphore(2), asyncio.Queue[int]()
    out = 0

    async def submit() -> None:
        nonlocal out
        for number in range(4):
            await permits.acquire()
            out += 1  # no await from here until the job, and the permit with it, is in the queue
            submitted.put_nowait(number)

    async def complete() -> None:
        nonlocal out
        while True:
            await submitted.get()
            try:
                await asyncio.sleep(0.1)
            finally:
                out -= 1
                permits.release()

    submitting = asyncio.create_task(submit())
    completing = [asyncio.create_task(complete()) for _ in range(2)]
    try:
        await asyncio.wait([submitting], timeout=2)
    finally:
        for task in (submitting, *completing):
            task.cancel()
        await asyncio.gather(submitting, *completing, return_exceptions=True)
    while not submitted.empty():  # what nobody took holds a permit as well
        submitted.get_nowait()
        out -= 1
        permits.release()
    assert out == 0
    async with asyncio.timeout(1):
        for _ in range(2):
            await permits.acquire()
    assert permits.locked()
