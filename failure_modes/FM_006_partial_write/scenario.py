"""FM_006: one transition is made of two writes, the worker is stopped between them, and the job is in two places.

broken     puts a copy of a failed job where it waits for its retry, and then takes the original away
guarded    moves it, in one transaction
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio

JOBS = (0, 1, 2)
FAILS_AT_FIRST = 1


@dataclass(slots=True)
class Broker:
    """Where jobs can be. ready: to be done now.   delayed: to be tried again later.   done: to be done never again."""

    ready: list[int] = field(default_factory=lambda: list(JOBS))
    delayed: list[int] = field(default_factory=list)
    done: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Connection:
    """A worker's connection to the broker. held_back: the writes of a transaction that is not committed."""

    broker: Broker
    held_back: list[Callable[[], None]] | None = None

    async def next(self) -> int | None:
        """The oldest job that is ready. It stays there until it is acknowledged."""
        await anyio.sleep(0.1)
        return self.broker.ready[0] if self.broker.ready else None

    async def complete(self, job: int) -> None:
        """A job is done: one statement."""
        await anyio.sleep(0.1)
        self.broker.ready.remove(job)
        self.broker.done.append(job)

    async def delay(self, job: int) -> None:
        """Put a copy of a job where it waits for its retry."""
        await anyio.sleep(0.1)
        self._write(lambda: self.broker.delayed.append(job))

    async def ack(self, job: int) -> None:
        """Take a job away from where it is ready."""
        await anyio.sleep(0.1)
        self._write(lambda: self.broker.ready.remove(job))

    def _write(self, change: Callable[[], None]) -> None:
        if self.held_back is None:
            change()
        else:
            self.held_back.append(change)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[None]:
        """What is written inside is written at its end, all of it; left by another way, none of it is."""
        self.held_back = []
        try:
            yield
            await anyio.sleep(0.1)  # the commit travels
            for change in self.held_back:
                change()
        finally:
            self.held_back = None


RetryLater = Callable[[Connection, int], Awaitable[None]]


async def copy_and_ack(connection: Connection, job: int) -> None:
    """Two writes."""
    await connection.delay(job)
    await connection.ack(job)


async def move(connection: Connection, job: int) -> None:
    """The same two, as one."""
    async with connection.transaction():
        await connection.delay(job)
        await connection.ack(job)


async def broken() -> None:
    """Failed jobs are copied and taken away."""
    assert_holds(await damaged())


async def guarded() -> None:
    """Failed jobs are moved."""
    assert_holds(await work(move))


async def damaged() -> Broker:
    """What is left where they are copied and taken away."""
    return await work(copy_and_ack)


async def work(retry_later: RetryLater) -> Broker:
    """Let a worker do what is ready; when it ends, or is stopped by a deploy, the next one takes over."""
    broker = Broker()
    failed: set[int] = set()

    async def run(job: int) -> None:
        await anyio.sleep(1)
        if job == FAILS_AT_FIRST and job not in failed:
            failed.add(job)
            raise ConnectionError("the address service does not answer")

    async def serve() -> None:
        connection = Connection(broker)
        while (job := await connection.next()) is not None:
            try:
                await run(job)
            except ConnectionError:
                await retry_later(connection, job)
            else:
                await connection.complete(job)

    for worker in ("worker-1", "worker-2"):
        async with anyio.create_task_group() as group:
            group.start_soon(serve, name=worker)
    return broker


def places(broker: Broker, job: int) -> list[str]:
    """Where a job is, as often as it is there."""
    return [name for name in ("ready", "delayed", "done") for _ in range(getattr(broker, name).count(job))]


def assert_holds(broker: Broker) -> None:
    """The invariant, which is the detection as well: every job is in one place."""
    wrong = [f"job {job} is in {places(broker, job) or 'none'}" for job in JOBS if len(places(broker, job)) != 1]
    assert not wrong, f"every job is in exactly one place: {', '.join(wrong)}"


async def repair(broker: Broker) -> None:
    """Leave each job in the one place that is furthest on, for what was reached there is true: done, delayed, ready."""
    for job in JOBS:
        await anyio.sleep(0.1)  # one job is locked and looked for, and what follows is one transaction
        for surplus in places(broker, job)[:-1]:
            getattr(broker, surplus).remove(job)
