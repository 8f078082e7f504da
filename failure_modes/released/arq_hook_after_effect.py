"""arq, FM_029: `on_job_end` raises after a job's effect and before it is acknowledged, and the job runs again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from failure_modes.released.arq_worker import ORDER, forget_who_had_it, serve, start


async def send() -> None:
    """Tell the metrics."""
    await asyncio.sleep(0.1)


async def report(_: Any) -> None:
    """A hook that does not expect the metrics to be down."""
    await asyncio.create_task(send(), name="metrics")


async def report_if_possible(_: Any) -> None:
    """A hook that does."""
    with contextlib.suppress(OSError):
        await asyncio.create_task(send(), name="metrics")


async def scenario() -> None:
    """Whatever the hook raises is raised."""
    await work(report)


async def control() -> None:
    """The hook's errors stay in the hook."""
    await work(report_if_possible)


async def work(hook: Callable[[Any], Awaitable[None]]) -> None:
    """A worker serves what there is; when it is gone, another one does."""
    paid: list[str] = []
    ends: list[BaseException | None] = []

    async def pay(_: Any) -> None:
        await asyncio.sleep(0.1)
        paid.append(ORDER)

    await start("pay")
    for name in ("worker-1", "worker-2"):
        worker = asyncio.create_task(serve(pay, "pay", on_job_end=hook), name=name)
        await asyncio.wait([worker])
        ends.append(worker.exception())
        await forget_who_had_it()
    assert paid == [ORDER], f"{ORDER} was paid {len(paid)} times; the workers ended with {ends}"
    assert ends == [None, None], f"a worker ended with {ends}"
