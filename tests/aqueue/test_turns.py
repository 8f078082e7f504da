"""Turns of a worker: what has ended is settled, and what there is room for is claimed, in one call of the store."""

from __future__ import annotations

import contextvars
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any, TypeVar

import anyio
import pytest
import structlog

from aqueue import Clock, Context, LoopClock, MemoryStore, Queue, Session, Store
from aqueue.store.base import Answer
from aqueue.store.operations import Claim, Operation, Settle
from tests.aqueue.support import FaultyStore, fail_first

pytestmark = pytest.mark.anyio

R = TypeVar("R")


@pytest.fixture
def anyio_backend(virtual: tuple[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    return virtual


class CountingStore:
    """A store that writes down which operations came together."""

    def __init__(self, inner: Store) -> None:
        self.inner = inner
        self.turns: list[list[str]] = []

    @asynccontextmanager
    async def open(self, *, clock: Clock, random: Random) -> AsyncIterator[Session]:
        async with self.inner.open(clock=clock, random=random) as session:
            yield CountingSession(session, self.turns)


class CountingSession:
    """The session of a CountingStore."""

    def __init__(self, inner: Session, turns: list[list[str]]) -> None:
        self.inner = inner
        self.turns = turns

    async def perform(self, operation: Operation[R]) -> R:
        return await self.inner.perform(operation)

    async def perform_all(self, operations: Sequence[Operation[Any]]) -> list[Answer]:
        self.turns.append([type(operation).__name__ for operation in operations])
        return await self.inner.perform_all(operations)

    def post(self, operation: Operation[object]) -> None:
        self.inner.post(operation)


def open_queue(store: Store, seed: int = 0) -> Queue:
    return Queue(store, clock=LoopClock(), random=Random(seed))


async def test_twenty_jobs_in_five_slots_are_settled_and_claimed_in_five_calls():
    store = CountingStore(MemoryStore())
    async with open_queue(store) as q:

        @q.task()
        async def work() -> None:
            pass

        await q.enqueue_many(work.job() for _ in range(20))
        await q.run_until_idle(concurrency=5)
    assert store.turns[:5] == [["Claim"], *[["Settle"] * 5 + ["Claim"]] * 4]


async def test_a_lone_job_is_settled_without_waiting_for_others():
    async with open_queue(MemoryStore()) as q:

        @q.task()
        async def work(seconds: float) -> float:
            await anyio.sleep(seconds)
            return seconds

        async with q.worker():
            started = anyio.current_time()
            short, _ = await work.enqueue(1), await work.enqueue(50)
            assert await short.result(timeout=100) == 1
            assert anyio.current_time() - started == pytest.approx(1, abs=0.01)


async def test_a_settlement_without_an_answer_holds_up_no_other_job():
    """Its own task sends it again; the slot it had is free, and so is everybody else."""
    store = FaultyStore(MemoryStore(), fail_first(2, "lose", Settle))
    async with open_queue(store) as q:
        started_at: list[float] = []

        @q.task()
        async def work() -> None:
            started_at.append(anyio.current_time())

        jobs = await q.enqueue_many(work.job() for _ in range(2))
        async with q.worker(concurrency=1):
            for job in jobs:
                await job.result(timeout=60)
        assert started_at[1] - started_at[0] < 0.02, "the second did not wait for the first's settlement"
        assert [(await job.info()).attempt for job in jobs] == [1, 1]
        assert await q.check(grace=60) == ()


async def test_what_ends_while_the_host_is_cancelled_is_settled_not_released():
    """The turn is under way when the cancel comes; what ended meanwhile is written before the worker is gone."""
    async with open_queue(MemoryStore()) as q:
        host = anyio.CancelScope()

        @q.task()
        async def work() -> str:
            host.cancel()
            return "done"

        jobs = await q.enqueue_many(work.job() for _ in range(3))
        with host:
            async with q.worker(concurrency=3):
                await anyio.sleep_forever()
        assert [(await job.info()).state for job in jobs] == ["succeeded"] * 3
        assert [await job.result() for job in jobs] == ["done"] * 3


async def test_a_job_that_was_given_back_before_its_first_step_is_not_run():
    """The claim was answered so late that its leases were over: the jobs go back at once."""
    ran: list[int] = []
    store = MemoryStore()

    async def late(operation: Operation[Any]) -> None:
        if isinstance(operation, Claim):
            await anyio.sleep(5)

    async with open_queue(LateStore(store, late)) as q:

        @q.task()
        async def work(ctx: Context) -> None:
            ran.append(ctx.attempt)

        job = await work.enqueue()
        async with q.worker(lease=3):
            await anyio.sleep(14)
        history = [event.kind for event in (await job.info()).history]
        assert ran == [], history
        assert "released" in history
        assert await q.check() == ()


class LateStore(CountingStore):
    """A store whose answers come late."""

    def __init__(self, inner: Store, late: Any) -> None:
        super().__init__(inner)
        self.late = late

    @asynccontextmanager
    async def open(self, *, clock: Clock, random: Random) -> AsyncIterator[Session]:
        async with self.inner.open(clock=clock, random=random) as session:
            yield LateSession(session, self.late)


class LateSession(CountingSession):
    """The session of a LateStore."""

    def __init__(self, inner: Session, late: Any) -> None:
        super().__init__(inner, [])
        self.late = late

    async def perform_all(self, operations: Sequence[Operation[Any]]) -> list[Answer]:
        answers = await self.inner.perform_all(operations)
        for operation in operations:
            await self.late(operation)
        return answers


async def test_what_a_handler_puts_into_context_variables_is_gone_for_the_next_job():
    tenant: contextvars.ContextVar[str] = contextvars.ContextVar("tenant", default="nobody")
    seen: list[tuple[str, dict[str, Any]]] = []
    async with open_queue(MemoryStore()) as q:

        @q.task()
        async def work(name: str) -> None:
            seen.append((tenant.get(), dict(structlog.contextvars.get_contextvars())))
            tenant.set(name)
            structlog.contextvars.bind_contextvars(tenant=name)

        await work.enqueue("ann")
        await work.enqueue("bob")
        await q.run_until_idle()
    assert [name for name, _ in seen] == ["nobody", "nobody"]
    assert [sorted(bound) for _, bound in seen] == [["attempt", "job_id", "task"]] * 2
    assert [bound["job_id"] for _, bound in seen] == [1, 2]
