"""procrastinate, FM_023: a worker sleeps, its job is given to another one, it wakes up and settles what that one does.

The server's clock is real and the run's is not: half a minute of sleep is a moment there. What has 30 seconds by
default, a worker's heartbeat, has the twentieth part of a second here, on the server's clock.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

import procrastinate
import psycopg

from faultloop import world

SCHEMA = "faultloop_released"
STALLED_SECONDS = 0.05


async def scenario() -> None:
    """Two workers, and between them who looks for stalled jobs."""
    told: list[str] = []
    job = await start()
    first = world.node("worker-1")
    first.start(serve, job, told, 1.0)
    await asyncio.sleep(10)
    await retry_stalled_jobs()
    await serve(job, told, 25.0)
    await first.finished()
    assert told == [], f"a job was settled by somebody else while its owner ran it: {told}"


async def control() -> None:
    """The same: what differs is the pause."""
    await scenario()


def application() -> Any:
    """An application of its own, as each process has one."""
    connector = procrastinate.PsycopgConnector(
        conninfo=os.environ["FAULTLOOP_POSTGRES_URL"], kwargs={"options": f"-c search_path={SCHEMA}"}
    )
    return procrastinate.App(connector=connector)


async def start() -> int:
    """A schema of its own, and one job."""
    async with await psycopg.AsyncConnection.connect(os.environ["FAULTLOOP_POSTGRES_URL"], autocommit=True) as server:
        await server.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
        await server.execute(f"CREATE SCHEMA {SCHEMA}")
    app = application()
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        job: int = await app.configure_task("pay").defer_async()
    return job


async def serve(job: int, told: list[str], seconds: float) -> None:
    """A worker, until there is nothing to do. Its task asks at its end whether the job is still its own."""
    app = application()

    async def pay() -> None:
        await asyncio.sleep(seconds)
        status = await app.job_manager.get_job_status_async(job)
        if status.value != "doing":
            told.append(status.value)

    app.task(pay, name="pay")
    async with app.open_async():
        await app.run_worker_async(wait=False, listen_notify=False, install_signal_handlers=False)


async def retry_stalled_jobs() -> None:
    """What the documentation has a periodic task do."""
    app = application()
    async with app.open_async():
        for stalled in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_SECONDS):
            await app.job_manager.retry_job(stalled)
