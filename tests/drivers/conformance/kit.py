"""Programs of the conformance suite, written once, with anyio, and how each is run on a driver."""

import datetime
import os
import random
import secrets
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
from anyio.streams.memory import MemoryObjectSendStream

import faultloop
from faultloop import Run, Status
from faultloop.drivers.driver import DRIVERS as KNOWN

DRIVERS = tuple(KNOWN)
Scenario = Callable[[], Awaitable[Any]]


def passed(scenario: Scenario, driver: str, **how: Any) -> Run:
    """Run a scenario that is meant to pass."""
    run = faultloop.run(scenario, driver=driver, **how)
    assert run.status is Status.PASSED, (run.status, run.trace.outcome, run.exception)
    return run


async def pause(turns: int = 1) -> None:
    """Give way for so many turns."""
    for _ in range(turns):
        await anyio.lowlevel.checkpoint()


CHANCE: dict[str, Callable[[], object]] = {
    "random": lambda: random.random(),
    "Random()": lambda: random.Random().random(),
    "SystemRandom": lambda: random.SystemRandom().random(),
    "urandom": lambda: os.urandom(9),
    "secrets": lambda: secrets.token_hex(9),
    "uuid1": lambda: uuid.uuid1(),
    "uuid4": lambda: uuid.uuid4(),
}
CLOCKS: dict[str, Callable[[], float]] = {
    "monotonic": lambda: time.monotonic(),
    "perf_counter": lambda: time.perf_counter(),
    "time": lambda: time.time(),
    "now": lambda: datetime.datetime.now(datetime.UTC).timestamp(),
}


async def busy() -> list[str]:
    """A bit of everything whose order could matter: a stream, a lock, a deadline, a thread, tasks of one instant."""
    log: list[str] = []
    lock = anyio.Lock()
    send, receive = anyio.create_memory_object_stream[int](1)

    async def sender(name: int, mine: MemoryObjectSendStream[int]) -> None:
        async with mine:
            for item in range(3):
                await mine.send(10 * name + item)
                await pause(name % 2)

    async def receiver() -> None:
        async with receive:
            async for item in receive:
                log.append(f"got {item}")

    async def locker(name: int) -> None:
        async with lock:
            log.append(f"{name} has the lock")
            await anyio.sleep(0.1)
        log.append(f"{name} computed {await anyio.to_thread.run_sync(pow, name, 2)}")

    async def impatient() -> None:
        with anyio.move_on_after(0.15) as scope:
            await anyio.sleep_forever()
        log.append(f"moved on: {scope.cancelled_caught}")

    async with anyio.create_task_group() as group:
        for name in (1, 2, 3):
            group.start_soon(sender, name, send.clone())
            group.start_soon(locker, name)
            group.start_soon(impatient)
        group.start_soon(receiver)
        send.close()
    return log
