"""arq, FM_024: a handler takes its cancellation for an error of the other side. The timeout ends nothing."""

from __future__ import annotations

import asyncio
from typing import Any

from failure_modes.released.arq_worker import serve, start

TIMEOUT_SECONDS = 5.0


async def answer(question: asyncio.Future[str]) -> None:
    """The other service, which takes a second."""
    await asyncio.sleep(1)
    if not question.done():
        question.set_result("answered")


async def call() -> str:
    """Ask another service."""
    question: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    answering = asyncio.create_task(answer(question), name="service")
    try:
        return await question
    finally:
        answering.cancel()


async def stubborn(_: Any) -> str:
    """Asks once more, whatever came of it."""
    for _ in range(2):
        try:
            return await call()
        except BaseException:  # and so its own cancellation
            await asyncio.sleep(10)
    return "gave up"


async def polite(_: Any) -> str:
    """Asks once more after an error."""
    for _ in range(2):
        try:
            return await call()
        except OSError:
            await asyncio.sleep(10)
    return "gave up"


async def scenario() -> None:
    """A handler that catches all there is."""
    await work(stubborn)


async def control() -> None:
    """A handler that catches what it knows."""
    await work(polite)


async def work(handler: Any) -> None:
    """Serve one job, and see how long it keeps the only slot."""
    loop = asyncio.get_running_loop()
    kept = 0.0

    async def ask(context: Any) -> Any:
        nonlocal kept
        began = loop.time()
        try:
            return await handler(context)
        finally:
            kept = loop.time() - began

    await start("ask")
    worker = await serve(ask, "ask", timeout_seconds=TIMEOUT_SECONDS, max_tries=1)
    assert kept <= TIMEOUT_SECONDS, (
        f"a job had the only slot for {kept:.0f} s, its timeout is {TIMEOUT_SECONDS:.0f} s; "
        f"complete {worker.jobs_complete}, failed {worker.jobs_failed}"
    )
