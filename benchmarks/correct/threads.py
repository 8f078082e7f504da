"""Jobs in threads: a job that has begun goes on when its caller is cancelled."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import anyio
import anyio.to_thread


async def jobs_run_in_threads() -> None:
    """Each that was begun has happened; each that was waited for to its end has its own answer."""
    happened, answers = list[int](), dict[int, int]()

    def job(number: int) -> int:
        happened.append(number)
        return number * 10

    async def caller(number: int) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                answers[number] = await asyncio.to_thread(job, number)
        await asyncio.sleep(0.1)

    async with asyncio.TaskGroup() as group:
        for number in range(4):
            group.create_task(caller(number))
    assert set(answers) <= set(happened)
    assert all(answer == 10 * number for number, answer in answers.items())
    assert len(set(happened)) == len(happened)


async def a_blocking_client_is_used_by_one_at_a_time() -> None:
    """A client that is not safe for threads, behind a lock that is held until its call has come back."""
    lock, inside, answers = asyncio.Lock(), 0, list[int]()
    loop = asyncio.get_running_loop()

    def blocking(number: int) -> int:
        nonlocal inside
        inside += 1
        assert inside == 1
        inside -= 1
        return number

    async def caller(number: int) -> None:
        async with lock:
            call = loop.run_in_executor(None, blocking, number)
            try:
                answers.append(await asyncio.shield(call))
            finally:
                cancelled = False
                while not call.done():
                    try:
                        await asyncio.wait([call])
                    except asyncio.CancelledError:
                        cancelled = True
                if cancelled:
                    raise asyncio.CancelledError

    async with asyncio.TaskGroup() as group:
        callers = [group.create_task(caller(number)) for number in range(3)]
    assert inside == 0
    assert not lock.locked()
    assert len(answers) == sum(not task.cancelled() for task in callers)


async def anyio_jobs_run_in_threads() -> None:
    """A limiter of one: the jobs run one after the other, and its token is back at the end."""
    limiter, ran = anyio.CapacityLimiter(1), list[int]()

    async def caller(number: int) -> None:
        with anyio.move_on_after(1):
            await anyio.to_thread.run_sync(ran.append, number, limiter=limiter)

    try:
        async with anyio.create_task_group() as group:
            for number in range(3):
                group.start_soon(caller, number)
    finally:
        assert limiter.borrowed_tokens == 0
    assert len(set(ran)) == len(ran)
