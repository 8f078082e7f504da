"""How far a job is: said by its current attempt alone, kept as long as the job, and nothing is decided by it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import anyio
import pytest

from aqueue import BadArguments, Context, LeaseLost, Queue, Retry, Store, StoreUnavailable
from aqueue.lifecycle import Bury, Release, Succeed
from aqueue.store.deadletter import Purge
from aqueue.store.operations import Claim, Enqueue, Settle
from aqueue.store.progress import Report
from aqueue.store.pruning import Prune
from aqueue.store.questions import Inspect
from aqueue.store.tables import Tables
from tests.aqueue.support import ManualClock
from tests.aqueue.walk import new_job

pytestmark = pytest.mark.anyio


async def test_what_a_handler_says_last_is_seen_while_it_runs_and_afterwards(make_store: Callable[[], Store]):
    q = Queue(make_store(), random=Random(0))
    said, seen = anyio.Event(), anyio.Event()

    @q.task(retry=Retry(2, base=0))
    async def work(ctx: Context) -> None:
        if ctx.attempt == 1:
            await ctx.heartbeat(progress=0.1)
            await ctx.heartbeat(progress={"done": 3, "of": 7})
            raise ConnectionError
        said.set()
        await seen.wait()
        await ctx.heartbeat(progress="all of it")
        await ctx.heartbeat()  # says nothing, so what was said stays

    async with q, q.worker():
        job = await work.enqueue()
        assert (await job.info()).progress in (None, 0.1, {"done": 3, "of": 7})
        await said.wait()
        assert (await job.info()).progress == {"done": 3, "of": 7}, "the try before got so far"
        seen.set()
        await job.result(timeout=20)
        assert (await job.info()).progress == "all of it"
        assert [info.progress for info in await q.dead()] == []
        assert await q.check(grace=60) == ()


async def test_an_attempt_that_is_over_says_nothing(make_store: Callable[[], Store]):
    async with make_store().open(clock=ManualClock(), random=Random(0)) as session:
        await session.perform(Enqueue((new_job("a"),)))
        await session.perform(Claim("w", "n", 1, lease_ms=1000))
        await session.perform(Report(1, 1, b"1"))
        await session.perform(Settle(1, "w", Release(1, run_at=0)))
        for attempt in (1, 2):
            with pytest.raises(LeaseLost, match=f"attempt {attempt} of job 1"):
                await session.perform(Report(1, attempt, b"2"))
        await session.perform(Claim("v", "m", 1, lease_ms=1000))
        with pytest.raises(LeaseLost):
            await session.perform(Report(1, 1, b"3"))
        inspected = await session.perform(Inspect(1))
        assert inspected is not None
        assert inspected.progress == b"1"
        with pytest.raises(LeaseLost):
            await session.perform(Report(7, 1, b"no such job"))


@dataclass(frozen=True)
class Said:
    """Of which of two jobs something is noted."""

    def apply(self, tables: Tables, now: int) -> list[int]:
        return [job_id for job_id in (1, 2) if tables.progress(job_id) is not None]


async def test_what_was_said_goes_with_its_job(make_store: Callable[[], Store]):
    clock = ManualClock()
    async with make_store().open(clock=clock, random=Random(0)) as session:
        await session.perform(Enqueue((new_job("a"), new_job("b"))))
        await session.perform(Claim("w", "n", 2, lease_ms=1000))
        for number in (1, 2):
            await session.perform(Report(number, 1, b"1"))
        await session.perform(Settle(1, "w", Bury(1, "rejected")))
        assert await session.perform(Said()) == [1, 2]
        assert await session.perform(Purge(1, 1)) is None
        assert await session.perform(Said()) == [2]
        await session.perform(Settle(2, "w", Succeed(1)))
        clock.now += 10
        assert (await session.perform(Prune(0, {"succeeded": 5}))).removed == 1
        assert await session.perform(Said()) == []


async def test_a_progress_that_json_cannot_say_is_refused_and_a_store_that_does_not_answer_is_no_reason_to_stop(
    monkeypatch: pytest.MonkeyPatch,
):
    q = Queue("memory:", random=Random(0))

    def silent(self: Report, tables: object, now: int) -> None:
        raise StoreUnavailable("nobody answers", expected="an answer", advice="wait")

    @q.task()
    async def work(ctx: Context) -> str:
        with pytest.raises(BadArguments, match="the progress cannot be written as JSON"):
            await ctx.heartbeat(progress=object())
        monkeypatch.setattr(Report, "apply", silent)
        await ctx.heartbeat(progress=1)
        return "went on"

    async with q, q.worker():
        job = await work.enqueue()
        assert await job.result(timeout=20) == "went on"
        assert (await job.info()).progress is None
