"""Workers of two versions of a program side by side: jobs wait for the version that knows their task."""

from __future__ import annotations

from random import Random
from typing import Any

import anyio
import pytest

from aqueue import JobDead, LoopClock, MemoryStore, Queue, Retry, StillBusy, Store
from aqueue.observing import Notice

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend(virtual: tuple[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    return virtual


class Told:
    """An observer."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []

    def notice(self, notice: Notice) -> None:
        if notice.name == "unknown_task":
            self.notices.append(notice)


def versions(store: Store) -> tuple[Queue, Queue, Any, Any]:
    """Two versions of a program: the old one knows "charge", the new one "charge" and "invoice"."""
    old, new = (Queue(store, clock=LoopClock(), random=Random(seed), poll=1) for seed in (1, 2))

    async def charge() -> str:
        return "charged"

    async def invoice() -> str:
        return "invoiced"

    old.task(retry=Retry(1))(charge)
    return old, new, new.task(retry=Retry(1))(charge), new.task(retry=Retry(1))(invoice)


async def test_during_a_rolling_deploy_no_job_of_a_new_task_is_buried_by_an_old_worker():
    old, new, charge, invoice = versions(MemoryStore())
    told = Told()
    old.observe(told)
    async with old, new:
        async with old.worker(sweep=0.5):
            jobs = await new.enqueue_many([*(invoice.job() for _ in range(20)), charge.job()])
            assert await jobs[-1].result(timeout=30) == "charged"
            await anyio.sleep(1)
            jobs += await new.enqueue_many(invoice.job() for _ in range(5))
            await anyio.sleep(1)
            assert await old.check(grace=0) == ()
            assert (await old.counts())["pending"] == 25
            async with new.worker():
                results = [await job.result(timeout=30) for job in jobs]
        assert sorted(results) == ["charged", *["invoiced"] * 25]
    (notice,) = told.notices
    assert notice.task == "invoice"
    assert (notice.detail or "").startswith("AQ006 no task is called 'invoice'. Expected: one of: charge.")


async def test_a_worker_buries_jobs_it_does_not_know_if_it_is_asked_to():
    old, new, _, invoice = versions(MemoryStore())
    async with old, new:
        job = await invoice.enqueue()
        async with old.worker(bury_unknown=True):
            with pytest.raises(JobDead):
                await job.result(timeout=30)
        info = await job.info()
        assert info.dead_reason == "unknown task"
        assert "AQ006 no task is called 'invoice'" in (info.error or "")


async def test_running_until_idle_ends_when_only_strangers_are_left():
    old, new, charge, invoice = versions(MemoryStore())
    async with old, new:
        await new.enqueue_many([invoice.job(), charge.options(delay=5).job()])
        with pytest.raises(StillBusy, match="1 jobs are left, all of tasks that are not registered: invoice"):
            await old.run_until_idle(limit=100)
        assert (await old.counts())["succeeded"] == 1


async def test_an_expired_job_of_a_stranger_ends_as_expired():
    old, new, _, invoice = versions(MemoryStore())
    async with old, new:
        job = await invoice.options(deadline=3).enqueue()
        async with old.worker():
            await anyio.sleep(2.5)
            assert (await job.info()).state == "pending"
            await anyio.sleep(2.5)
        assert (await job.info()).dead_reason == "expired"
