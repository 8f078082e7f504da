"""FM_012: a worker takes a slot, its claim does not answer in time, and the slot is never given back.

broken     counts its free slots: one down before the claim, one up when the job has ended
guarded    counts them in one place: whatever becomes of the claim and of the job, leaving it gives the slot back

Each lost slot makes the worker slower, until it claims nothing any more and only looks alive.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio

SLOTS = 2
JOBS = 3
CLAIM_SECONDS = 5.0
PATIENCE_SECONDS = 60.0


@dataclass(slots=True)
class Worker:
    """A worker's books. waiting, done: numbers of jobs.   running: those that a task is at.   free: its slots."""

    waiting: deque[int] = field(default_factory=lambda: deque(range(JOBS)))
    running: set[int] = field(default_factory=set)
    done: list[int] = field(default_factory=list)
    free: int = SLOTS

    async def take_slot(self) -> None:
        """Look for a free slot once a second, and take it."""
        while True:
            if self.free:
                self.free -= 1
                return
            await anyio.sleep(1)

    async def claim(self) -> int | None:
        """Ask the store for a job. Raises TimeoutError."""
        with anyio.fail_after(CLAIM_SECONDS):
            await anyio.sleep(0.1)  # the question travels
            await anyio.sleep(0.1)  # so does the answer
            return self.waiting.popleft() if self.waiting else None

    async def run(self, job: int) -> None:
        """Do what a job asks for. Stopped on the way, the job is to be done again."""
        self.running.add(job)
        try:
            await anyio.sleep(1)
            self.done.append(job)
        finally:
            self.running.discard(job)
            if job not in self.done:
                self.waiting.append(job)


async def one_counted(worker: Worker) -> None:
    """Claim a job, do it, and count."""
    await worker.take_slot()
    try:
        job = await worker.claim()
    except TimeoutError:
        return  # claimed nothing, so there is nothing to clean up
    if job is not None:
        await worker.run(job)
    worker.free += 1


async def one_held(worker: Worker) -> None:
    """Claim a job and do it, in a slot that is held for as long as that takes."""
    await worker.take_slot()
    try:
        job = await worker.claim()
        if job is not None:
            await worker.run(job)
    except TimeoutError:
        return
    finally:
        worker.free += 1


async def broken() -> None:
    """The worker that counts."""
    assert_holds(await damaged())


async def guarded() -> None:
    """The worker that holds."""
    assert_holds(await work(one_held))


async def damaged() -> Worker:
    """What the worker that counts leaves behind."""
    return await work(one_counted)


async def work(one: Callable[[Worker], Awaitable[None]]) -> Worker:
    """Have all jobs done, in as many tasks as there are slots; after a minute without an end, give up."""
    worker = Worker()

    async def serve() -> None:
        while len(worker.done) < JOBS:
            await one(worker)

    with anyio.move_on_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as group:
            for number in range(SLOTS):
                group.start_soon(serve, name=f"slot-{number + 1}")
    return worker


def assert_holds(worker: Worker) -> None:
    """The invariant, which is the detection as well: every slot is either free or has a job that runs."""
    counted = worker.free + len(worker.running)
    assert counted == SLOTS, f"free and running slots are {SLOTS} together: {worker.free} + {len(worker.running)}"


async def repair(worker: Worker) -> None:
    """Count the free slots anew, from what runs now."""
    await anyio.sleep(0.1)  # the running tasks are asked for
    worker.free = SLOTS - len(worker.running)
