"""FM_028: tries are counted beside the job, in a place that forgets, and a job is tried more often than it may be.

broken     counts in a cache, whose entries end after a minute
guarded    counts in the job's row, in the write that claims it

The pause before the next try was longer than the memory of the last one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import anyio

TRIES = 3
BACKOFF_SECONDS = 5.0
AWAY_SECONDS = 90.0
MEMORY_SECONDS = 60.0
SEND_SECONDS = 2.0
SHIFT_SECONDS = 98.0


@dataclass(slots=True)
class Row:
    """A job: a mail to a box that does not exist. state: waiting or dead.

    tries: how many there were, as the queue believes.   events: its history, each claim by its time.
    """

    state: str = "waiting"
    due_at: float = 0.0
    tries: int = 0
    events: list[float] = field(default_factory=list)


class Cache:
    """A counter with a time to live. It ends that long after it was last counted."""

    def __init__(self) -> None:
        self._count, self._until = 0, 0.0

    def count(self) -> int:
        """Count one more, and return how many there were."""
        now = anyio.current_time()
        self._count = self._count + 1 if now < self._until else 1
        self._until = now + MEMORY_SECONDS
        return self._count


Count = Callable[[Row, Cache], int]


def in_cache(_row: Row, cache: Cache) -> int:
    """Count a try beside the job."""
    return cache.count()


def in_row(row: Row, cache: Cache) -> int:
    """Count a try in the job. Who wants to know how busy the partner is may still ask the cache."""
    cache.count()
    return row.tries + 1


async def broken() -> None:
    """Counted beside the job."""
    assert_holds(await damaged())


async def guarded() -> None:
    """Counted in it."""
    assert_holds(await work(in_row))


async def damaged() -> Row:
    """What is left where tries are counted beside the job."""
    return await work(in_cache)


async def work(count: Count) -> Row:
    """A worker, and a mail that the other side refuses each time; if it does not answer, it is left alone for long."""
    row, cache = Row(), Cache()
    closing = anyio.current_time() + SHIFT_SECONDS

    async def send() -> float:
        with anyio.move_on_after(SEND_SECONDS):
            await anyio.sleep(0.1)  # the mail travels
            await anyio.sleep(0.1)  # «no such box» travels back
            return BACKOFF_SECONDS
        return AWAY_SECONDS

    async def serve() -> None:
        while row.state == "waiting":
            await anyio.sleep(max(0.0, row.due_at - anyio.current_time()))
            if anyio.current_time() > closing:
                return
            row.events.append(anyio.current_time())
            row.tries = count(row, cache)
            pause = await send()
            row.due_at = anyio.current_time() + pause
            if row.tries >= TRIES:
                row.state = "dead"

    async with anyio.create_task_group() as group:
        group.start_soon(serve, name="worker")
    return row


def assert_holds(row: Row) -> None:
    """The invariant, which is the detection as well: as many tries are known as the history has claims."""
    assert row.tries == len(row.events), (
        f"no try is forgotten: the queue knows of {row.tries}, the job was claimed {len(row.events)} times "
        f"in {row.events[-1] - row.events[0]:.0f} s and has {TRIES} tries"
    )


async def repair(row: Row) -> None:
    """Count anew, from the history of claims, and bury what has no tries left."""
    await anyio.sleep(0.1)
    row.tries = len(row.events)
    if row.tries >= TRIES:
        row.state = "dead"
