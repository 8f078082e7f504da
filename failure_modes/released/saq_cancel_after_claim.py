"""saq, FM_003: a worker is stopped between taking a job out of the queue and starting it. Nobody has the job then."""

from __future__ import annotations

import asyncio

from failure_modes.released.saq_worker import JOB_SECONDS, ORDER, queue, until_a_deployment


async def scenario() -> None:
    """A worker without a grace period."""
    await deploy(None)


async def control() -> None:
    """One with ten seconds."""
    await deploy(10)


async def deploy(grace: int | None) -> None:
    """Stop a worker, and look where the job is."""
    begun: list[str] = []

    async def pay(_: object) -> None:
        begun.append(ORDER)
        await asyncio.sleep(JOB_SECONDS)

    await until_a_deployment(pay, grace)
    served = await queue()
    waiting, active = await served.count("queued"), await served.count("active")
    job = await served.job(ORDER)
    await served.disconnect()
    assert begun or waiting, (
        f"nobody has it: {waiting} jobs wait, {active} are «active», and this one is {job.status.value}"
    )
