"""FM_017: two schedulers look at the clock, one of them a second late, and the minute is fired twice.

broken     fires unless a job of the schedule is alive
guarded    fires unless this minute was fired

The job was so quick that the second scheduler found nothing alive. «Is it running?» is not «has it run?».
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import anyio
from anyio.streams.memory import MemoryObjectSendStream

MINUTES = (1, 2)
ASK_SECONDS = 2.0
COLLECT_SECONDS = 0.1


@dataclass(slots=True)
class Job:
    """A collection of all rents. minute: the nominal time it was fired for.   state: waiting, done or reversed."""

    minute: int
    state: str = "waiting"


@dataclass(slots=True)
class Store:
    """The jobs of the one schedule there is: each minute, collect the rents."""

    jobs: list[Job] = field(default_factory=list)

    def make(self, minute: int) -> Job:
        """Make a job for a nominal time."""
        self.jobs.append(Job(minute))
        return self.jobs[-1]

    def is_alive(self) -> bool:
        """Whether a job of the schedule waits or runs."""
        return any(job.state == "waiting" for job in self.jobs)

    def was_fired(self, minute: int) -> bool:
        """Whether a nominal time has its job, whatever became of it."""
        return any(job.minute == minute for job in self.jobs)


Fire = Callable[[Store, int], Job | None]


def fire_unless_alive(store: Store, minute: int) -> Job | None:
    """Make a job, unless there is one."""
    return None if store.is_alive() else store.make(minute)


def fire_once(store: Store, minute: int) -> Job | None:
    """Make the job of a minute. UNIQUE (schedule, minute), in the statement that makes it."""
    return None if store.was_fired(minute) else store.make(minute)


async def broken() -> None:
    """A schedule that asks what is alive."""
    assert_holds(await damaged())


async def guarded() -> None:
    """A schedule that asks what was fired."""
    assert_holds(await work(fire_once))


async def damaged() -> Store:
    """What is left where the schedule asks what is alive."""
    return await work(fire_unless_alive)


async def work(fire: Fire) -> Store:
    """A scheduler on each of two hosts, and a worker that does what they make."""
    store = Store()
    began = anyio.current_time()

    made, jobs = anyio.create_memory_object_stream[Job](len(MINUTES) * 2)

    async def tick(made: MemoryObjectSendStream[Job]) -> None:
        with made:
            for minute in MINUTES:
                await anyio.sleep(began + 60 * minute - anyio.current_time())
                with anyio.move_on_after(ASK_SECONDS):  # what is there to fire? If nobody answers: what there was
                    await anyio.sleep(0.1)
                    await anyio.sleep(0.1)
                if job := fire(store, minute):
                    made.send_nowait(job)

    async def serve() -> None:
        async for job in jobs:
            await anyio.sleep(COLLECT_SECONDS)
            job.state = "done"

    with jobs:
        async with anyio.create_task_group() as group:
            group.start_soon(serve, name="worker")
            with made:
                for host in ("scheduler-1", "scheduler-2"):
                    group.start_soon(tick, made.clone(), name=host)
    return store


def fired(store: Store) -> Counter[int]:
    """The detection: how many jobs each nominal time has, but for those that were reversed."""
    return Counter(job.minute for job in store.jobs if job.state != "reversed")


def assert_holds(store: Store) -> None:
    """The invariant."""
    twice = [f"minute {minute} has {jobs}" for minute, jobs in fired(store).items() if jobs > 1]
    assert not twice, f"each nominal time makes one job: {', '.join(twice)}, and the rents are collected as often"


async def repair(store: Store) -> None:
    """Reverse all but the first job of each minute: what waits is not done, what was done is paid back."""
    for number, job in enumerate(store.jobs):
        if job.state != "reversed" and any(other.minute == job.minute for other in store.jobs[:number]):
            await anyio.sleep(0.1)  # the tenants get their money back, under the number of the job
            job.state = "reversed"
