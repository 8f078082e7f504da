"""The guardrail of FM_021 holds: a follow-up has its parent's place."""

from random import Random

import anyio
import pytest

import faultloop
from aqueue import Context, LoopClock, Queue, QueueFull
from failure_modes.catalogue import find
from failure_modes.FM_021_backpressure_deadlock.scenario import ORDERS, take_my_place, work
from failure_modes.proof import Driver, prevent


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_guarded_variant_holds_wherever_the_fault_lands(driver: Driver):
    assert prevent(find("FM_021"), driver).objections == ()


def test_all_is_done_although_the_queue_is_full():
    async def guarded_work() -> list[str]:
        return sorted((await work(take_my_place)).done)

    run = faultloop.run(guarded_work, faults=["expire worker @ pack>sleep #1 woken"])
    assert run.value == sorted(f"{kind} {number}" for kind in ("mail", "order") for number in range(ORDERS))


def test_in_aqueue_what_follows_a_job_needs_no_room():
    async def orders_and_mails() -> list[str]:
        q = Queue("memory:", clock=LoopClock(), random=Random(1), max_pending=2)
        done: list[str] = []

        @q.task()
        async def mail(number: int) -> None:
            done.append(f"mail {number}")

        @q.task()
        async def order(ctx: Context, number: int) -> None:
            await anyio.sleep(5)
            ctx.follow_up(mail.job(number))
            done.append(f"order {number}")

        async with q, q.worker(concurrency=1):
            await order.enqueue(0)
            await anyio.sleep(1)
            await q.enqueue_many(order.job(number) for number in (1, 2))
            with pytest.raises(QueueFull):
                await order.enqueue(3)
            await anyio.sleep(60)
        return sorted(done)

    run = faultloop.run(orders_and_mails)
    assert run.value == [f"{kind} {number}" for kind in ("mail", "order") for number in range(3)]
