"""pgqueuer, FM_015: the task of a running job is cancelled, as `asyncio.run` does at its end. The job is deleted."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from pgqueuer.types import QueueExecutionMode

from failure_modes.released import pgqueuer_jobs


async def scenario() -> None:
    """A manager serves one job."""
    await pgqueuer_jobs.start()
    done: list[int] = []
    async with pgqueuer_jobs.connection() as server:
        await serve(pgqueuer_jobs.manager(server), done)
    await assert_nothing_is_lost(done)


async def control() -> None:
    """The same: what differs is whose task is cancelled."""
    await scenario()


async def serve(manager: Any, done: list[int]) -> None:
    """Run it until there is nothing to do."""

    async def pay(job: Any) -> None:
        await asyncio.sleep(1)
        done.append(job.id)

    manager.entrypoint("pay")(pay)
    running = manager.run(batch_size=1, mode=QueueExecutionMode.drain, log_aggregation_interval=timedelta(0))
    await asyncio.wait([asyncio.create_task(running, name="worker-1")])


async def assert_nothing_is_lost(done: list[int]) -> None:
    """The invariant."""
    async with pgqueuer_jobs.connection() as server:
        there, noted = await pgqueuer_jobs.rows(server), await pgqueuer_jobs.log(server)
    assert done or there, f"a job is gone and was not done; noted of it: {', '.join(noted)}"
