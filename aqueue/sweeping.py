"""The part of a worker that frees the jobs of workers that died, whoever they were, and removes old ones."""

from __future__ import annotations

from contextlib import suppress
from typing import Protocol

import anyio

from aqueue.errors import StoreUnavailable
from aqueue.hub import Hub
from aqueue.log import logger
from aqueue.policy import WorkerPolicy
from aqueue.store.operations import Sweep
from aqueue.store.pruning import Prune
from aqueue.store.questions import Strangers

__all__ = ["keep_sweeping"]


class _Sweeping(Protocol):
    """A worker, as far as sweeping goes."""

    id: str

    def renew_soon(self) -> None: ...


async def keep_sweeping(hub: Hub, worker: _Sweeping, policy: WorkerPolicy) -> None:
    """Sweep, look for unknown tasks, and prune: about once per period, for ever; not after a jump of the wall clock.

    Cancelled here: nothing is held.
    """
    swept_at: tuple[int, float] | None = None
    pruned_to, period_seconds = 0, policy.sweep
    while True:
        before, swept_at = swept_at, (hub.clock.now_ms(), anyio.current_time())
        if before is not None and _is_jump(before, swept_at, period_seconds):
            # A jump makes live leases look dead: give their owners one period to renew them (FM_016).
            logger().warning("sweep.skipped", worker=worker.id, why="the wall clock jumped")
            worker.renew_soon()
        else:
            await _sweep(hub, worker.id)
            if not policy.bury_unknown:
                await _meet_strangers(hub, worker.id)
            if hub.keep_ms:
                pruned_to = await _prune(hub, worker.id, pruned_to)
        await anyio.sleep(period_seconds * hub.random.uniform(0.8, 1.2))


def _is_jump(before: tuple[int, float], now: tuple[int, float], period_seconds: float) -> bool:
    """Whether the wall clock went on by a period more or less than the loop's."""
    wall_seconds = (now[0] - before[0]) / 1000
    return abs(wall_seconds - (now[1] - before[1])) > period_seconds


async def _sweep(hub: Hub, worker_id: str) -> None:
    """Free jobs whose lease ran out. Cancelled here: it may be done; twice is as good."""
    try:
        freed = await hub.session.perform(Sweep())
    except StoreUnavailable as error:
        logger().debug("sweep.unanswered", worker=worker_id, error=error.happened)
        return
    for job_id in freed:
        hub.tell("rescued", job_id=job_id, worker=worker_id)
        hub.settled(job_id)


async def _meet_strangers(hub: Hub, worker_id: str) -> None:
    """Say which tasks wait for a worker with other code. Cancelled here, or unanswered: next time."""
    with suppress(StoreUnavailable):
        hub.meet(await hub.session.perform(Strangers(frozenset(hub.tasks))), worker=worker_id)


async def _prune(hub: Hub, worker_id: str, after: int) -> int:
    """Remove what ended long ago, and say where to go on next time. Cancelled here: each page is removed or is not."""
    while True:
        try:
            pruned = await hub.session.perform(Prune(after, hub.keep_ms))
        except StoreUnavailable as error:
            logger().debug("prune.unanswered", worker=worker_id, error=error.happened)
            return after
        after = pruned.after
        if not pruned.goes_on:
            return after
