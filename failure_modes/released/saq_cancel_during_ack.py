"""saq, FM_004: a worker is stopped while it writes down that a job is complete. The job is swept, and run again."""

from __future__ import annotations

import asyncio

from failure_modes.released.saq_worker import JOB_SECONDS, NAME, ORDER, queue, until_a_deployment, worker


async def scenario() -> None:
    """A worker without a grace period."""
    await deploy(None)


async def control() -> None:
    """One with ten seconds."""
    await deploy(10)


async def deploy(grace: int | None) -> None:
    """Stop a worker and start another one, which sweeps a minute later, as saq's workers do."""
    paid: list[str] = []

    async def pay(_: object) -> None:
        await asyncio.sleep(JOB_SECONDS)
        paid.append(ORDER)

    await until_a_deployment(pay, grace)
    await asyncio.sleep(60)
    again = await queue()
    await again.redis.delete(f"saq:{NAME}:sweep")  # that somebody swept within the last minute, by the server's clock
    await again.sweep(abort=0.05)
    second = worker(again, pay)
    while await second.process():
        pass
    job = await again.job(ORDER)
    await again.disconnect()
    assert paid == [ORDER], f"{ORDER} was paid {len(paid)} times; its job is {job.status.value}"
