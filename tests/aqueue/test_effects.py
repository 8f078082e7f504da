"""The ledger of effects: once per key over attempts and jobs, doubt named as doubt, zombies fenced."""

from random import Random
from typing import Any

import anyio
import pytest

from aqueue import AmbiguousEffect, Context, LoopClock, MemoryStore, Queue, Retry
from aqueue.store.ledger import BeginEffect, RecordEffect
from tests.aqueue.support import FaultyStore, fail_first

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend(virtual: tuple[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    return virtual


class World:
    """The receiver of effects: it counts them."""

    def __init__(self) -> None:
        self.calls: list[str] = []


def make(*, store: Any = None, crash: str = "", decide: bool = True, attempts: int = 3) -> tuple[Queue, Any, World]:
    """A queue whose handler pays once, and whose first attempt breaks at the place named by `crash`."""
    q = Queue(store or MemoryStore(), clock=LoopClock(), random=Random(0))
    world = World()

    @q.task(retry=Retry(attempts, base=0))
    async def pay(ctx: Context, order: str) -> str:
        async with ctx.once(order) as effect:
            if effect.fresh or (effect.ambiguous and decide):
                if crash == "before the call" and ctx.attempt == 1:
                    raise OSError(crash)
                world.calls.append(effect.key)
                effect.result = f"paid {order}"
                if crash == "after the call" and ctx.attempt == 1:
                    raise OSError(crash)
        if crash == "after the block" and ctx.attempt == 1:
            raise OSError(crash)
        return str(effect.result)

    return q, pay, world


async def test_an_applied_effect_is_not_repeated_by_a_later_attempt():
    q, pay, world = make(crash="after the block")
    async with q:
        job = await pay.enqueue("o1")
        await q.run_until_idle()
        assert (await job.result(), world.calls) == ("paid o1", ["o1"])
        assert (await job.info()).attempt == 2


async def test_an_applied_effect_is_not_repeated_by_another_job():
    q, pay, world = make()
    async with q:
        jobs = [await pay.enqueue("o1"), await pay.enqueue("o1")]
        await q.run_until_idle()
        assert [await job.result() for job in jobs] == ["paid o1", "paid o1"]
        assert world.calls == ["o1"]


@pytest.mark.parametrize("crash", ["before the call", "after the call"])
async def test_an_effect_begun_and_not_ended_is_ambiguous(crash: str):
    q, pay, _ = make(crash=crash)
    async with q:
        job = await pay.enqueue("o1")
        await q.run_until_idle()
        assert await job.result() == "paid o1"
        assert await q.check() == ()


async def test_an_ambiguous_effect_that_nobody_decides_ends_in_the_dead_letter():
    q, pay, world = make(crash="after the call", decide=False)
    async with q:
        job = await pay.enqueue("o1")
        await q.run_until_idle()
        info = await job.info()
        assert (info.dead_reason, world.calls) == ("exhausted", ["o1"]), "better a question than a second payment"
        assert AmbiguousEffect.code in (info.error or "")


async def test_two_jobs_at_one_effect_at_once_perform_it_once():
    q = Queue(MemoryStore(), clock=LoopClock(), random=Random(0))
    calls: list[int] = []

    @q.task(retry=Retry(5, base=4))
    async def slow(ctx: Context) -> None:
        async with ctx.once("shared") as effect:
            if effect.fresh:
                await anyio.sleep(3)
                calls.append(ctx.job_id)
                effect.result = None

    async with q:
        await q.enqueue_many([slow.job(), slow.job()])
        await q.run_until_idle(concurrency=2)
        assert (await q.counts())["succeeded"] == 2
        assert len(calls) == 1


@pytest.mark.parametrize("fault", ["lose", "lose reply"])
@pytest.mark.parametrize("kind", [BeginEffect, RecordEffect])
async def test_a_lost_operation_or_reply_of_the_ledger_leaves_no_doubt(fault: str, kind: type[object]):
    q, pay, world = make(store=FaultyStore(MemoryStore(), fail_first(2, fault, kind)), decide=False)
    async with q:
        job = await pay.enqueue("o1")
        await q.run_until_idle()
        assert (await job.result(), world.calls) == ("paid o1", ["o1"])
        assert (await job.info()).attempt == 1


async def test_a_cancel_after_the_effect_does_not_lose_its_record():
    q = Queue(MemoryStore(), clock=LoopClock(), random=Random(0))
    calls: list[int] = []

    @q.task()
    async def pay(ctx: Context) -> None:
        async with ctx.once("o1") as effect:
            if effect.fresh:
                calls.append(ctx.attempt)
                effect.result = "paid"
                host.cancel()  # the shutdown arrives between the effect and its record

    async with q:
        with anyio.CancelScope() as host:
            async with q.worker():
                job = await pay.enqueue()
                await anyio.sleep_forever()
        await q.run_until_idle()
        assert (await job.info()).state == "succeeded"
        assert calls == [1]
