"""A worker and its leases: renewed while it works, heard of when they are lost, and fenced."""

import math
from random import Random
from typing import Any

import anyio
import anyio.abc
import pytest

from aqueue import (
    Context,
    LoopClock,
    MemoryStore,
    Queue,
    Retry,
)
from aqueue.store.operations import Renew, Settle
from tests.aqueue.support import FaultyStore, fail_first, kinds, open_queue

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend(virtual: tuple[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    return virtual


async def test_a_lease_is_renewed_for_as_long_as_the_handler_runs():
    async with open_queue() as q:

        @q.task(lease=3)
        async def slow() -> str:
            await anyio.sleep(100)
            return "done"

        async with q.worker(sweep=1), q.worker(sweep=1):
            job = await slow.enqueue()
            assert await job.result(timeout=200) == "done"
        assert kinds(await job.info()) == ["enqueued", "claimed", "succeeded"]


async def test_a_handler_that_will_not_stop_loses_its_lease_and_is_fenced():
    async with open_queue() as q:

        @q.task(timeout=1, retry=Retry(1))
        async def unkillable() -> str:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(60)
            return "much too late"

        job = await unkillable.enqueue()
        await q.run_until_idle(lease=5)
        info = await job.info()
        assert (info.dead_reason, info.error) == ("exhausted", None)
        assert kinds(info) == ["enqueued", "claimed", "buried"]
        assert await q.check(grace=60) == ()


async def test_another_process_learns_of_a_cancel_at_its_next_renewal():
    store = MemoryStore()
    async with open_queue(store) as q, open_queue(store, seed=1) as other:

        @q.task()
        async def work() -> None:
            await anyio.sleep_forever()

        async with q.worker(lease=30):
            job = await work.enqueue()
            await anyio.sleep(1)
            await other.job(job.id).cancel()
            await anyio.sleep(11)
            assert (await job.info()).state == "cancelled"


async def test_a_settlement_that_cannot_be_sent_is_left_to_its_lease():
    store = FaultyStore(MemoryStore(), fail_first(5, "lose", Settle))
    async with open_queue(store) as q:
        calls: list[int] = []

        @q.task(retry=Retry(2, base=0))
        async def work(ctx: Context) -> int:
            calls.append(ctx.attempt)
            async with ctx.once("effect") as effect:
                if effect.fresh:
                    effect.result = ctx.attempt
            return int(effect.result)

        job = await work.enqueue()
        await q.run_until_idle(lease=10)
        assert await job.result() == 1, "the second attempt found what the first one did"
        assert calls == [1, 2]
        assert kinds(await job.info()) == ["enqueued", "claimed", "rescued", "claimed", "succeeded"]


async def test_a_handler_stops_when_its_lease_can_not_be_renewed():
    store = FaultyStore(MemoryStore(), fail_first(10**6, "lose", Renew))
    stopped_at: list[float] = []
    async with open_queue(store) as q:

        @q.task(retry=Retry(1))
        async def work() -> None:
            try:
                await anyio.sleep_forever()
            finally:
                stopped_at.append(anyio.current_time())

        job = await work.enqueue()
        started = anyio.current_time()
        await q.run_until_idle(lease=9)
        assert stopped_at[0] - started == pytest.approx(9, abs=0.1)
        assert (await job.info()).dead_reason == "exhausted"


async def test_a_lease_that_comes_later_and_ends_sooner_is_watched_while_the_store_does_not_answer():
    store = FaultyStore(MemoryStore(), fail_first(10**6, "hang", Renew))
    stopped_after: dict[str, float] = {}

    async def sleep(name: str) -> None:
        started = anyio.current_time()
        try:
            await anyio.sleep_forever()
        finally:
            stopped_after[name] = anyio.current_time() - started

    async with open_queue(store) as q:

        @q.task(lease=30)
        async def long() -> None:
            await sleep("long")

        @q.task(lease=2)
        async def short() -> None:
            await sleep("short")

        async with q.worker(concurrency=2):
            await long.enqueue()
            await anyio.sleep(12)  # the renewing task waits for an answer by now
            await short.enqueue()
            await anyio.sleep(25)
            assert stopped_after == {"short": pytest.approx(2, abs=0.1), "long": pytest.approx(30, abs=0.1)}


async def test_a_handler_sees_the_deadline_of_its_try_and_not_the_end_of_a_lease_that_is_renewed():
    seen: list[float] = []
    async with open_queue() as q:

        @q.task()
        async def endless() -> None:
            seen.append(anyio.current_effective_deadline())

        @q.task(timeout=7)
        async def timed() -> None:
            seen.append(anyio.current_effective_deadline() - anyio.current_time())

        await endless.enqueue()
        await timed.enqueue()
        await q.run_until_idle()
    assert sorted(seen) == [pytest.approx(7), math.inf]


async def test_a_stale_owner_hears_of_it_and_writes_nothing():
    store = MemoryStore()
    held = anyio.Event()
    # The first process cannot renew: a long pause. The second one rescues and finishes its job.
    cut_off = FaultyStore(store, fail_first(10**6, "hang", Renew))
    async with open_queue(cut_off) as a, open_queue(store, seed=1) as b:

        async def work(ctx: Context) -> str:
            if ctx.attempt == 1:
                with anyio.CancelScope(shield=True):  # deaf, as a blocked process is
                    await held.wait()
                return "zombie"
            return "owner"

        task = a.task()(work)
        b.task()(work)
        async with a.worker(lease=5, sweep=1000):
            job = await task.enqueue()
            await anyio.sleep(1)
            await b.run_until_idle(lease=5)
            held.set()
        info = await job.info()
        assert await job.result() == "owner"
        assert kinds(info) == ["enqueued", "claimed", "rescued", "claimed", "succeeded"]
        assert await a.check(grace=60) == ()


async def test_a_jump_of_the_wall_clock_takes_no_job_from_a_live_worker():
    class Jumpy(LoopClock):
        jump_ms = 0

        def now_ms(self) -> int:
            return super().now_ms() + self.jump_ms

    clock = Jumpy()
    async with Queue(MemoryStore(), clock=clock, random=Random(0)) as q:

        @q.task(retry=Retry(1))
        async def work() -> str:
            await anyio.sleep(100)
            return "undisturbed"

        async with q.worker(lease=30, sweep=2):
            job = await work.enqueue()
            await anyio.sleep(20.5)
            clock.jump_ms = 3_600_000
            assert await job.result(timeout=200) == "undisturbed"
        assert (await job.info()).attempt == 1


async def test_a_heartbeat_renews_and_says_when_the_job_is_lost():
    async with open_queue() as q:

        @q.task()
        async def work(ctx: Context) -> bool:
            await ctx.heartbeat()
            return ctx.lease_lost.is_set()

        job = await work.enqueue()
        await q.run_until_idle()
        assert await job.result() is False
