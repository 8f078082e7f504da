"""The clock hand of a worker: it fires the schedules of its queue at their nominal times.

Every worker has one, and none leads: the store makes one job per nominal time, whoever asks.
"""

from __future__ import annotations

import anyio

from aqueue.errors import StoreUnavailable
from aqueue.hub import Hub
from aqueue.log import logger
from aqueue.store.base import insist
from aqueue.store.schedules import Fire, Fired

__all__ = ["keep_firing"]


async def keep_firing(hub: Hub, worker: str, longest_seconds: float) -> None:
    """Declare the queue's schedules, then fire them for ever. longest_seconds: between two looks at the wall clock.

    Cancelled here: what is due may have been fired; asking again fires nothing twice.
    """
    declared: set[str] = set()
    while True:
        try:
            for name in [name for name in hub.schedules if name not in declared]:
                await insist(hub.session, hub.schedules[name], random=hub.random)
                declared.add(name)
            fired = await insist(hub.session, Fire(tuple(declared)), random=hub.random)
        except StoreUnavailable as error:
            logger().debug("cron.unanswered", worker=worker, error=error.happened)
            fired = Fired((), 0, None)
        for job_id in fired.job_ids:
            hub.tell("fired", job_id=job_id, worker=worker)
        if fired.missed:
            hub.tell("missed", worker=worker, detail=f"{fired.missed} nominal times made no job")
        if fired.job_ids:
            hub.wake_workers()
        # The wall clock may be set, so nobody sleeps until a far time in one go.
        wait_seconds = longest_seconds if fired.wait_ms is None else min(longest_seconds, fired.wait_ms / 1000)
        await anyio.sleep(wait_seconds)
