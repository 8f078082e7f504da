"""pgqueuer, FM_023: a manager sleeps, its job is picked by another one, it wakes up and deletes what that one runs.

The server's clock is real and the run's is not: half a minute of sleep is a moment there. What has 30
seconds by default, the heartbeat of another manager, has the twentieth part of one here, on the server's clock.
"""

from __future__ import annotations

import asyncio
import uuid
from datetime import timedelta
from typing import Any

from pgqueuer.ports.repository import EntrypointExecutionParameter
from pgqueuer.types import QueueExecutionMode

from failure_modes.released import pgqueuer_jobs
from faultloop import world

STALE = timedelta(seconds=0.05)


async def scenario() -> None:
    """A manager serves one job; ten seconds later another one picks what is stale, and runs it for 25."""
    await pgqueuer_jobs.start()
    first = world.node("worker-1")
    first.start(serve)
    await asyncio.sleep(10)
    async with pgqueuer_jobs.connection() as server:
        queries = pgqueuer_jobs.manager(server).queries
        mine = await queries.dequeue(
            10, {"pay": EntrypointExecutionParameter(concurrency_limit=0)}, uuid.uuid4(), None, STALE
        )
        await asyncio.sleep(25)
        there, noted = await pgqueuer_jobs.rows(server), await pgqueuer_jobs.log(server)
    await first.finished()
    assert there == len(mine), f"a job was settled by somebody else while its owner ran it: {', '.join(noted)}"


async def control() -> None:
    """The same: what differs is the pause."""
    await scenario()


async def serve() -> None:
    """A manager, until there is nothing to do."""

    async def pay(_: Any) -> None:
        await asyncio.sleep(1)

    async with pgqueuer_jobs.connection() as server:
        manager = pgqueuer_jobs.manager(server)
        manager.entrypoint("pay")(pay)
        await manager.run(batch_size=1, mode=QueueExecutionMode.drain, log_aggregation_interval=timedelta(0))
