"""FM_015: a shutdown cancels the jobs in flight, and they are booked as if somebody had wished them cancelled.

broken     a job that ends with a cancellation is «cancelled»
guarded    it is, if somebody asked for that; else it waits for the next worker

A cancellation has a cause, and the exception does not say which. The row does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import anyio

JOBS = 3
UNWANTED = 1
BOOK_SECONDS = 5.0


@dataclass(slots=True)
class Row:
    """A job. state: waiting, running, done or cancelled.   is_unwanted: whether a customer asked to cancel it."""

    state: str = "waiting"
    is_unwanted: bool = False


@dataclass(slots=True)
class Store:
    """The queue's table."""

    rows: list[Row] = field(default_factory=lambda: [Row() for _ in range(JOBS)])

    async def claim(self) -> int | None:
        """Claim a job that waits."""
        await anyio.sleep(0.1)
        job = next((job for job, row in enumerate(self.rows) if row.state == "waiting"), None)
        if job is not None:
            self.rows[job].state = "running"
        return job

    async def rescue(self) -> None:
        """Let jobs of a worker that is gone be claimed again."""
        await anyio.sleep(0.1)
        for row in self.rows:
            if row.state == "running":
                row.state = "waiting"


Ending = Callable[[Row], str]


def as_it_came(_: Row) -> str:
    """A cancellation is a cancellation."""
    return "cancelled"


def as_was_asked(row: Row) -> str:
    """It is one if a customer asked for it. A worker that stops gives its jobs back."""
    return "cancelled" if row.is_unwanted else "waiting"


async def broken() -> None:
    """Cancellations are booked as they come."""
    assert_holds(await damaged())


async def guarded() -> None:
    """They are booked as was asked."""
    assert_holds(await work(as_was_asked))


async def damaged() -> Store:
    """What is left where they are booked as they come."""
    return await work(as_it_came)


async def work(ending: Ending) -> Store:
    """A worker does the jobs, and a customer cancels one; when the worker is shut down, the next one takes over."""
    store = Store()
    at_work: dict[int, anyio.CancelScope] = {}

    async def book(job: int, state: str) -> None:
        with anyio.move_on_after(BOOK_SECONDS, shield=True):
            await anyio.sleep(0.1)
            store.rows[job].state = state

    async def run(job: int) -> None:
        with anyio.CancelScope() as scope:
            at_work[job] = scope
            try:
                await anyio.sleep(1)
            except anyio.get_cancelled_exc_class():
                await book(job, ending(store.rows[job]))
                raise
            finally:
                del at_work[job]
            await book(job, "done")

    async def serve() -> None:
        await store.rescue()
        while (job := await store.claim()) is not None:
            await run(job)

    async def cancel_one() -> None:
        await anyio.sleep(1.8)  # while a worker is at it
        row = store.rows[UNWANTED]
        row.is_unwanted = True
        if UNWANTED in at_work:
            at_work[UNWANTED].cancel()
        elif row.state == "waiting":
            row.state = "cancelled"

    async with anyio.create_task_group() as customers:
        customers.start_soon(cancel_one, name="customer")
        for worker in ("worker-1", "worker-2"):
            async with anyio.create_task_group() as group:
                group.start_soon(serve, name=worker)
    return store


def assert_holds(store: Store) -> None:
    """The invariant, which is the detection as well: who is cancelled was asked to be."""
    lost = [job for job, row in enumerate(store.rows) if row.state == "cancelled" and not row.is_unwanted]
    assert not lost, f"an accepted job is done unless somebody cancels it: nobody cancelled {lost}"


async def repair(store: Store) -> None:
    """Let what is cancelled without anybody's wish wait again."""
    for row in store.rows:
        await anyio.sleep(0.1)
        if row.state == "cancelled" and not row.is_unwanted:
            row.state = "waiting"
