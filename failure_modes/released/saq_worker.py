"""What the two findings in saq share: a deployment stops a worker after two seconds, and another one comes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

from saq import Queue, Worker

NAME = "faultloop-released"
ORDER = "faultloop-released-order-1"
NEVER = 1_000_000
JOB_SECONDS = 1.0
STOP_SECONDS = 2.0
"""When the deployment comes: a job has been done for a second by then, if nothing is slow."""

Pay = Callable[..., Awaitable[None]]


async def queue() -> Any:
    """The queue, connected."""
    return Queue.from_url(os.environ["FAULTLOOP_REDIS_URL"], name=NAME)


def worker(of: Any, pay: Pay, grace: int | None = None) -> Any:
    """A worker that ends when there is nothing to do. Its upkeep is left to the scenario."""
    upkeep = {"schedule": NEVER, "worker_info": NEVER, "sweep": NEVER, "abort": NEVER}
    made = Worker(
        of,
        functions=[("pay", pay)],
        concurrency=1,
        timers=upkeep,
        burst=True,
        dequeue_timeout=0.02,
        shutdown_grace_period_s=grace,
    )
    made.SIGNALS = []
    return made


async def until_a_deployment(pay: Pay, grace: int | None) -> None:
    """Enqueue one job, and serve it by a worker that is stopped after two seconds."""
    served = await queue()
    async for key in served.redis.scan_iter(match=f"saq:*{NAME}*"):
        await served.redis.delete(key)  # of an earlier run
    await served.enqueue("pay", key=ORDER, retries=2)
    first = worker(served, pay, grace)
    serving = asyncio.create_task(first.start(), name="worker-1")
    await asyncio.wait([serving], timeout=STOP_SECONDS)
    await first.stop()
    await serving
    await served.disconnect()
