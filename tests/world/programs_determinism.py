"""Five programs whose course is decided by chance, clocks, names and threads."""

import asyncio
import datetime
import os
import random
import secrets
import tempfile
import time
import uuid


async def jitter() -> list[float]:
    """Workers that retry with jitter."""
    log: list[float] = []

    async def worker() -> None:
        for attempt in range(4):
            await asyncio.sleep(random.uniform(0, 2**attempt))
            log.append(round(time.monotonic(), 6))

    await asyncio.gather(*(worker() for _ in range(4)))
    return log


async def names() -> str:
    """Things named by uuid and by secret, handled in the order of their names."""
    jobs = {f"{uuid.uuid4()}-{secrets.token_hex(4)}": asyncio.Event() for _ in range(8)}
    done: list[str] = []

    async def handle(name: str) -> None:
        await jobs[name].wait()
        await asyncio.sleep(int(name[:2], 16) / 100)
        done.append(name)

    tasks = [asyncio.create_task(handle(name)) for name in sorted(jobs)]
    for name in random.sample(sorted(jobs), len(jobs)):
        jobs[name].set()
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    return ",".join(done)


async def sets() -> str:
    """A set of tasks, and a race among them."""
    tasks = {asyncio.create_task(asyncio.sleep(random.randrange(1, 4)), name=str(n)) for n in range(12)}
    order: list[str] = []
    while tasks:
        done, tasks = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        order += [task.get_name() for task in done]
    for name in order:
        await asyncio.sleep(int(name) / 10)
    return " ".join(order)


async def clocks() -> list[str]:
    """Deadlines by wall clock, and a clock that is watched."""
    said: list[str] = []
    until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=random.uniform(1, 9))
    while (now := datetime.datetime.now(datetime.UTC)) < until:
        said.append(now.isoformat())
        await asyncio.sleep(random.random())
    end = time.perf_counter() + 0.001
    while time.perf_counter() < end:  # noqa: ASYNC110  # on purpose
        await asyncio.sleep(0)
    said.append(str(uuid.uuid1()))
    return said


async def threads() -> list[object]:
    """Work handed to threads, one of them slow, with files of the machine's."""

    def job(number: int) -> tuple[int, str]:
        time.sleep(random.random())
        with tempfile.TemporaryFile() as file:
            file.write(os.urandom(4))
            file.seek(0)
            return number, file.read().hex()

    first = await asyncio.gather(*(asyncio.to_thread(job, number) for number in range(4)))
    return [first, round(time.monotonic(), 6)]
