"""What ended long ago is removed with all that is stored of it, on every store; what lives or is put aside is not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

import anyio
import pytest

from aqueue import BadOption, Context, LoopClock, MemoryStore, Queue, Reject, Retention, Session, Store, UnknownJob
from aqueue.lifecycle import Bury, Fail, Succeed
from aqueue.store.deadletter import Park
from aqueue.store.ledger import BeginEffect, RecordEffect
from aqueue.store.operations import Cancel, Claim, Enqueue, Redrive, Settle
from aqueue.store.pruning import Prune, Pruned
from aqueue.store.questions import Verify
from aqueue.store.rows import JobRow
from aqueue.store.schedules import DeclareSchedule, Fire
from aqueue.store.tables import Tables
from tests.aqueue.support import ManualClock
from tests.aqueue.walk import new_job

KEEP: Any = {"succeeded": 100, "cancelled": 100}
EVERYTHING = Verify(grace_ms=10**9, free_slots=1)


@dataclass(frozen=True)
class Left:
    """Job ids that are left in the tables of jobs, of the log, of effects and of fires."""

    async def of(self, session: Session) -> tuple[list[int], list[int], list[str], list[int]]:
        return await session.perform(self)

    def apply(self, tables: Tables, now: int) -> tuple[list[int], list[int], list[str], list[int]]:
        ids = range(1, 12)
        states: Any = frozenset({"pending", "running", "succeeded", "dead", "cancelled"})
        fires = [at for at in range(0, 120_001, 60_000) if tables.has_fired("s", at)]
        return (
            [row.id for row in tables.jobs_after(0, states, 99)],
            [job_id for job_id in ids if tables.events(job_id)],
            [key for key in ("e1", "e4") if tables.effect(key) is not None],
            fires,
        )


@asynccontextmanager
async def seven_jobs(make_store: Callable[[], Store], clock: ManualClock) -> AsyncIterator[Session]:
    """1 succeeded, 2 cancelled, 3 dead, 4 running, 5 pending after a failure, 6 pending; 1 and 4 have an effect."""
    async with make_store().open(clock=clock, random=Random(0)) as session:
        await session.perform(Enqueue(tuple(new_job(f"j{n}") for n in range(1, 6))))
        await session.perform(Cancel(2))
        await session.perform(Claim("w", "n1", 9, lease_ms=10**6))
        for job_id in (1, 4):
            await session.perform(BeginEffect(job_id, 1, f"e{job_id}", "n"))
            await session.perform(RecordEffect(job_id, 1, f"e{job_id}", b"1"))
        await session.perform(Settle(1, "w", Succeed(1)))
        await session.perform(Settle(3, "w", Bury(1, "rejected")))
        await session.perform(Settle(5, "w", Fail(1, run_at=0)))
        await session.perform(Enqueue((new_job("j6"),)))
        yield session


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
async def test_what_is_over_goes_with_its_log_and_its_effects_and_all_else_stays(make_store: Callable[[], Store]):
    clock = ManualClock()
    async with seven_jobs(make_store, clock) as session:
        clock.now += 99
        assert await session.perform(Prune(0, KEEP)) == Pruned(0, 0, goes_on=False)
        clock.now += 1
        assert await session.perform(Prune(0, KEEP)) == Pruned(2, 0, goes_on=False)
        assert await Left().of(session) == ([3, 4, 5, 6], [3, 4, 5, 6], ["e4"], [])
        assert await session.perform(EVERYTHING) == ()
        assert (await session.perform(Prune(0, KEEP))).removed == 0
        (again,) = await session.perform(Enqueue((new_job("j7"),)))
        assert again.job_id == 7, "numbers are not given twice"


@pytest.mark.anyio
async def test_dead_jobs_go_if_that_is_said_unless_they_were_put_aside(make_store: Callable[[], Store]):
    clock = ManualClock()
    async with seven_jobs(make_store, clock) as session:
        await session.perform(Settle(4, "w", Bury(1, "rejected")))
        await session.perform(Park(4, 1))
        clock.now += 1000
        assert (await session.perform(Prune(0, {"dead": 1000}))).removed == 1
        assert (await Left().of(session))[0] == [1, 2, 4, 5, 6]
        assert await session.perform(EVERYTHING) == ()


@dataclass(frozen=True)
class RemoveStale:
    """Remove jobs by what was read of them earlier, as a transaction beside others would."""

    rows: tuple[JobRow, ...]

    def apply(self, tables: Tables, now: int) -> int:
        return tables.remove_ended(self.rows)


@dataclass(frozen=True)
class ReadDead:
    def apply(self, tables: Tables, now: int) -> tuple[JobRow, ...]:
        return tuple(tables.jobs_after(0, frozenset({"dead"}), 9))


@pytest.mark.anyio
async def test_a_job_that_was_redriven_after_it_was_looked_at_stays(make_store: Callable[[], Store]):
    async with seven_jobs(make_store, ManualClock()) as session:
        rows = await session.perform(ReadDead())
        await session.perform(Redrive(3))
        assert await session.perform(RemoveStale(rows)) == 0
        await session.perform(Claim("w", "n2", 9, lease_ms=10**6))
        await session.perform(Settle(3, "w", Bury(2, "rejected")))
        assert await session.perform(RemoveStale(rows)) == 0, "it is dead again, at another attempt"
        assert 3 in (await Left().of(session))[0]
        assert await session.perform(EVERYTHING) == ()


@pytest.mark.anyio
async def test_a_fire_goes_with_its_job_and_the_schedule_goes_on(make_store: Callable[[], Store]):
    clock = ManualClock(0)
    async with make_store().open(clock=clock, random=Random(0)) as session:
        await session.perform(DeclareSchedule("s", "* * * * *", "UTC", "all", new_job("s")))
        clock.now = 120_000
        assert (await session.perform(Fire(("s",)))).job_ids == (1, 2)
        await session.perform(Claim("w", "n", 1, lease_ms=10**6))
        await session.perform(Settle(1, "w", Succeed(1)))
        clock.now += 100
        assert (await session.perform(Prune(0, KEEP))).removed == 1
        assert (await Left().of(session))[3] == [120_000]
        assert (await session.perform(Fire(("s",)))).job_ids == ()
        assert await session.perform(EVERYTHING) == ()


@pytest.mark.anyio
async def test_pages_go_on_until_jobs_are_too_young_whatever_a_wrong_clock_wrote(make_store: Callable[[], Store]):
    """Seven old jobs, two of which were enqueued by a clock that was ahead by a year; then four young ones."""
    clock = ManualClock()
    async with make_store().open(clock=clock, random=Random(0)) as session:
        for number in range(7):
            clock.now += 10**10 if number in (2, 3) else 0
            await session.perform(Enqueue((new_job(f"j{number}"),)))
            clock.now -= 10**10 if number in (2, 3) else 0
        for job_id in range(1, 8):
            await session.perform(Cancel(job_id))
        clock.now += 1000
        for job_id in range(8, 12):
            await session.perform(Enqueue((new_job(f"young{job_id}"),)))
            await session.perform(Cancel(job_id))
        found, after = list[Pruned](), 0
        while not found or found[-1].goes_on:
            found.append(await session.perform(Prune(after, KEEP, limit=2)))
            after = found[-1].after
        assert [page.removed for page in found] == [2, 2, 2, 1, 0]
        assert after == 0
        assert (await Left().of(session))[0] == [8, 9, 10, 11]


def test_a_time_to_keep_is_one():
    with pytest.raises(BadOption, match="succeeded"):
        Retention(succeeded=0)
    assert Retention(succeeded=1.5, cancelled=None).keep_ms == {"succeeded": 1500}


class TestOfAWorker:
    @pytest.fixture
    def anyio_backend(self, virtual: tuple[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
        return virtual

    @pytest.mark.anyio
    async def test_it_keeps_jobs_for_as_long_as_it_is_told(self):
        retention = Retention(succeeded=60, cancelled=None)
        q = Queue(MemoryStore(), clock=LoopClock(), random=Random(0), poll=1, retention=retention)

        @q.task()
        async def work(ctx: Context, is_good: bool) -> int:
            if not is_good:
                raise Reject("no")
            return ctx.job_id

        async with q, q.worker(sweep=10):
            jobs = [await work.enqueue(is_good) for is_good in (True, False, True)]
            assert await jobs[2].result(timeout=10) == jobs[2].id
            await anyio.sleep(50)
            assert (await q.counts())["succeeded"] == 2
            await anyio.sleep(30)
            assert dict(await q.counts()) == {"pending": 0, "running": 0, "succeeded": 0, "dead": 1, "cancelled": 0}
            with pytest.raises(UnknownJob, match="how long its workers keep jobs"):
                await jobs[0].result()
            assert await q.check(grace=60) == ()
