"""The worker in virtual time, on both backends: leases, timeouts, cancels, shutdown, lost replies.

Method: a memory store, a clock that follows the loop's virtual time, and handlers that sleep or wait for events.
"""

import asyncio
import contextlib
from typing import Any

import anyio
import anyio.abc
import pytest

from aqueue import (
    Context,
    JobCancelled,
    MemoryStore,
    Queue,
    ResultTimeout,
    Retry,
    Snooze,
    StillBusy,
)
from aqueue.store.operations import Cancel, Claim, Enqueue, Redrive, Renew, Settle, Sweep
from tests.aqueue.support import FaultyStore, fail_first, kinds, open_queue

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend(virtual: tuple[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    return virtual


async def test_a_timeout_frees_the_slot_and_counts_as_a_failure():
    async with open_queue() as q:

        @q.task(timeout=5, retry=Retry(2, base=1))
        async def stuck() -> None:
            await anyio.sleep_forever()

        job = await stuck.enqueue()
        started = anyio.current_time()
        await q.run_until_idle()
        info = await job.info()
        assert (info.dead_reason, info.failures, info.error) == ("exhausted", 2, "timed out after 5 s")
        assert 10 <= anyio.current_time() - started < 13


async def test_a_value_returned_after_a_swallowed_timeout_is_a_success_if_the_job_is_still_ours():
    async with open_queue() as q:

        @q.task(timeout=5)
        async def stubborn() -> str:
            with contextlib.suppress(BaseException):
                await anyio.sleep_forever()
            return "late"

        job = await stubborn.enqueue()
        await q.run_until_idle()
        assert await job.result() == "late"


async def test_a_running_job_is_cancelled_at_once_within_one_process():
    async with open_queue() as q:

        @q.task()
        async def work() -> None:
            await anyio.sleep_forever()

        async with q.worker(lease=600):
            job = await work.enqueue()
            await anyio.sleep(1)
            started = anyio.current_time()
            assert await job.cancel() == "running"
            with pytest.raises(JobCancelled):
                await job.result()
            assert anyio.current_time() - started < 0.1
        assert (await job.info()).state == "cancelled"


async def test_a_snoozed_job_runs_later_and_counts_no_failure():
    async with open_queue() as q:

        @q.task(retry=Retry(1))
        async def patient(ctx: Context) -> int:
            if ctx.attempt == 1:
                raise Snooze(60)
            return ctx.attempt

        job = await patient.enqueue()
        started = anyio.current_time()
        await q.run_until_idle()
        assert await job.result() == 2
        assert (await job.info()).failures == 0
        assert anyio.current_time() - started == pytest.approx(60, abs=0.01)


async def test_a_delayed_job_waits_and_an_expired_one_is_never_called():
    async with open_queue() as q:
        called: list[str] = []

        @q.task()
        async def work(name: str) -> None:
            called.append(name)
            await anyio.sleep(100)

        late = await work.options(delay=10, deadline=5).enqueue("late")
        cut = await work.options(deadline=30).enqueue("cut")
        await q.run_until_idle()
        assert called == ["cut"]
        assert [(await job.info()).dead_reason for job in (late, cut)] == ["expired", "expired"]


async def test_a_clean_exit_lets_running_jobs_end():
    async with open_queue() as q:

        @q.task()
        async def work() -> str:
            await anyio.sleep(20)
            return "ended"

        async with q.worker(drain=30):
            job = await work.enqueue()
            await anyio.sleep(1)
            left = await work.options(delay=2).enqueue()
        assert await job.result() == "ended"
        assert (await left.info()).state == "pending"


async def test_one_deadline_for_all_running_jobs_and_then_they_are_released():
    async with open_queue() as q:

        @q.task(retry=Retry(1))
        async def work(seconds: float) -> None:
            await anyio.sleep(seconds)

        async with q.worker(drain=5):
            jobs = [await work.enqueue(seconds) for seconds in (3, 50, 60)]
            await anyio.sleep(1)
            leaving = anyio.current_time()
        assert anyio.current_time() - leaving == pytest.approx(5, abs=0.1)
        infos = [await job.info() for job in jobs]
        assert [(info.state, info.failures) for info in infos] == [("succeeded", 0), ("pending", 0), ("pending", 0)]
        assert kinds(infos[1]) == ["enqueued", "claimed", "released"]


async def test_a_cancelled_host_releases_its_jobs_without_a_failure():
    store = MemoryStore()
    ran: list[int] = []

    def make() -> tuple[Queue, Any]:
        q = open_queue(store, seed=len(ran))

        @q.task(retry=Retry(1))
        async def work(ctx: Context) -> None:
            ran.append(ctx.attempt)
            await anyio.sleep(10)

        return q, work

    q, work = make()
    with anyio.move_on_after(5) as host:
        async with q, q.worker():
            job = await work.enqueue()
            await anyio.sleep_forever()
    assert host.cancelled_caught
    q, work = make()
    async with q:
        await q.run_until_idle()
        info = await q.job(job.id).info()
        assert (ran, info.state, info.failures) == ([1, 2], "succeeded", 0)
        assert kinds(info) == ["enqueued", "claimed", "released", "claimed", "succeeded"]
        assert await q.check(grace=60) == ()


@pytest.mark.parametrize("fault", ["lose", "lose reply"])
@pytest.mark.parametrize("kind", [Enqueue, Claim, Settle, Renew, Sweep, Cancel, Redrive])
async def test_a_lost_operation_or_reply_changes_nothing_in_the_end(fault: str, kind: type[object]):
    store = FaultyStore(MemoryStore(), fail_first(3, fault, kind))
    async with open_queue(store) as q:

        @q.task(retry=Retry(2, base=0))
        async def work(fail: bool) -> str:
            await anyio.sleep(5)
            if fail:
                raise OSError
            return "done"

        good, bad, unwanted = await work.enqueue(False), await work.enqueue(True), await work.enqueue(False)
        assert await unwanted.cancel() == "cancelled"
        await q.run_until_idle(concurrency=3)
        assert await good.result() == "done"
        assert (await bad.info()).failures == 2
        assert await bad.redrive()
        assert (await bad.info()).state == "pending"
        await q.run_until_idle()
        assert kinds(await good.info()) == ["enqueued", "claimed", "succeeded"]
        assert kinds(await bad.info()) == ["enqueued", *["claimed", "failed", "claimed", "buried", "redriven"], *[
            "claimed", "failed", "claimed", "buried"]]  # fmt: skip
        assert await q.check(grace=60) == ()


async def test_a_store_that_hangs_costs_the_settlement_its_time_and_no_more():
    store = FaultyStore(MemoryStore(), fail_first(1, "hang", Settle))
    async with open_queue(store) as q:

        @q.task()
        async def work() -> str:
            return "done"

        async with q.worker(settle_timeout=4):
            job = await work.enqueue()
            assert await job.result(timeout=60) == "done"


async def test_no_more_jobs_run_at_once_than_there_are_slots_and_all_slots_are_used():
    async with open_queue() as q:
        running, most = [0], [0]

        @q.task()
        async def work() -> None:
            running[0] += 1
            most[0] = max(most[0], running[0])
            await anyio.sleep(1)
            running[0] -= 1

        await q.enqueue_many(work.job() for _ in range(20))
        started = anyio.current_time()
        await q.run_until_idle(concurrency=4)
        assert most[0] == 4
        assert anyio.current_time() - started == pytest.approx(5, abs=0.1)


async def test_a_failing_store_stops_no_worker():
    broken = [True]

    def fault(operation: object) -> str | None:
        return "lose" if broken[0] and not isinstance(operation, Enqueue) else None

    async with open_queue(FaultyStore(MemoryStore(), fault)) as q:

        @q.task()
        async def work() -> str:
            return "done"

        async with q.worker():
            job = await work.enqueue()
            await anyio.sleep(100)
            broken[0] = False
            assert await job.result(timeout=30) == "done"


async def test_a_lost_hint_costs_one_poll_period():
    store = MemoryStore()
    async with open_queue(store) as q, open_queue(store, seed=1) as other:

        @q.task()
        async def work() -> None: ...

        remote = other.task(name="work")(work.handler)
        async with q.worker():
            await anyio.sleep(10)
            job = await remote.enqueue()
            started = anyio.current_time()
            await job.result(timeout=60)
            assert anyio.current_time() - started <= 2.3


async def test_waiting_ends_with_its_time():
    async with open_queue() as q:

        @q.task()
        async def work() -> None:
            await anyio.sleep_forever()

        job = await work.enqueue()
        with pytest.raises(ResultTimeout):
            await job.result(timeout=3)
        with pytest.raises(StillBusy, match="0 jobs are pending and 1 are running"):
            await q.run_until_idle(limit=7)
        assert (await job.info()).state == "pending", "released, not dropped"


async def test_an_exhausted_retry_budget_of_time_is_seen_in_the_deadline():
    async with open_queue() as q:

        @q.task(timeout=7)
        async def work(ctx: Context) -> float:
            return ctx.deadline - anyio.current_time()

        job = await work.enqueue()
        await q.run_until_idle()
        assert await job.result() == pytest.approx(7)


async def test_the_tasks_of_a_worker_have_stable_names():
    names: list[str | None] = []
    async with open_queue() as q:

        @q.task()
        async def work() -> None:
            names.extend(task.name for task in anyio.get_running_tasks())

        await work.enqueue()
        await q.run_until_idle()
    assert {"worker-1", "worker-1.renew", "worker-1.leases", "worker-1.sweep", "worker-1.job"} <= set(names)


async def test_a_handler_that_awaits_a_cancelled_thing_fails_and_the_worker_goes_on(anyio_backend_name: str):
    async with open_queue() as q:

        @q.task(retry=Retry(2, base=0))
        async def work(ctx: Context) -> str:
            if anyio_backend_name == "asyncio" and ctx.attempt == 1:
                raise asyncio.CancelledError  # as `await task` does when somebody cancelled the task
            return "done"

        job = await work.enqueue()
        await q.run_until_idle()
        assert await job.result() == "done"
