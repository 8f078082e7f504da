"""What the two findings in arq share: one job, and workers that end when there is nothing to do."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Any

from arq import Worker, create_pool, func
from arq.connections import RedisSettings

QUEUE = "faultloop-released"
ORDER = "faultloop-released-order-1"


def settings() -> Any:
    """Where the server is."""
    return RedisSettings.from_dsn(os.environ["FAULTLOOP_REDIS_URL"])


async def start(function: str) -> None:
    """Enqueue one job."""
    pool = await create_pool(settings(), default_queue_name=QUEUE)
    await pool.delete(QUEUE, *(f"arq:{kind}:{ORDER}" for kind in ("job", "result", "retry", "in-progress")))
    await pool.enqueue_job(function, _job_id=ORDER)
    await pool.aclose()


async def serve(function: Callable[..., Awaitable[Any]], name: str, *, timeout_seconds: float = 5, **hooks: Any) -> Any:
    """A worker, until there is nothing to do. Returns it. Raises what ends it."""
    worker = Worker(
        [func(function, name=name, timeout=timeout_seconds)],
        redis_settings=settings(),
        queue_name=QUEUE,
        max_jobs=1,
        burst=True,
        poll_delay=5,
        handle_signals=False,
        **hooks,
    )
    try:
        await worker.main()
    finally:
        await worker.close()
    return worker


async def forget_who_had_it() -> None:
    """The key that says who has the job runs out, on the server: ten seconds after the longest timeout."""
    pool = await create_pool(settings())
    await pool.delete(f"arq:in-progress:{ORDER}")
    await pool.aclose()
