"""A worker as a program: it runs until a signal tells it to stop, and then ends in good order."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import anyio

from aqueue.log import logger

if TYPE_CHECKING:
    from aqueue.queue import Queue

__all__ = ["serve"]


async def serve(queue: Queue, *, concurrency: int, drain: float, bury_unknown: bool) -> None:
    """Open the queue and work until SIGINT or SIGTERM. The first drains; a second one releases what still runs.

    Only in the main thread, because signals are heard there. Raises WorkerStopped.
    """
    failure: Exception | None = None
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with queue, anyio.create_task_group() as tasks:
            try:
                async with queue.worker(concurrency=concurrency, drain=drain, bury_unknown=bury_unknown) as worker:
                    logger().info("worker.ready", worker=worker.id, concurrency=concurrency, tasks=queue.task_names)
                    await _next(signals)
                    tasks.start_soon(_cancel_at_next, signals, tasks.cancel_scope)
            except Exception as error:  # raised again below, so that the task group does not wrap it in a group
                failure = error
            tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure


async def _next(signals: AsyncIterator[signal.Signals]) -> None:
    number = await anext(signals)
    logger().info("signal.received", signal=number.name)


async def _cancel_at_next(signals: AsyncIterator[signal.Signals], scope: anyio.CancelScope) -> None:
    await _next(signals)
    scope.cancel()
