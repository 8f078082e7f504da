"""FM_024: a job is stopped, its handler takes that for an error like any other, and the job is booked as done.

broken     the handler catches whatever comes, so that no order stops the worker
guarded    it catches what it can answer for, and lets a cancellation pass

A cancellation is no error of the work. It is somebody else's decision, and it has to arrive.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio

JOB_SECONDS = 5.0
SHIFT_SECONDS = 12.0


@dataclass(slots=True)
class Row:
    """A job: to send a parcel. state: waiting, running or done.   note: what the handler had to say."""

    parcel: int
    state: str = "waiting"
    note: str = ""


@dataclass(slots=True)
class Store:
    """The queue's table, and the carrier's list of parcels."""

    rows: list[Row] = field(default_factory=lambda: [Row(1), Row(2)])
    sent: list[int] = field(default_factory=list)

    async def send(self, parcel: int) -> None:
        """Tell the carrier of a parcel."""
        await anyio.sleep(0.5)  # the connection is made
        await anyio.sleep(0.5)  # the label travels
        self.sent.append(parcel)


Handler = Callable[[Store, Row], Awaitable[None]]


async def send_whatever_comes(store: Store, row: Row) -> None:
    """Send a parcel, and never let one of them stop the worker."""
    try:
        await store.send(row.parcel)
    except BaseException as error:
        row.note = type(error).__name__


async def send(store: Store, row: Row) -> None:
    """Send a parcel. What the network has to say is noted, and the next one is sent."""
    try:
        await store.send(row.parcel)
    except OSError as error:
        row.note = type(error).__name__


async def broken() -> None:
    """A handler that catches everything."""
    assert_holds(await damaged())


async def guarded() -> None:
    """A handler that catches its own errors."""
    assert_holds(await work(send))


async def damaged() -> Store:
    """What a handler that catches everything leaves behind."""
    return await work(send_whatever_comes)


async def work(handler: Handler) -> Store:
    """A worker that bounds its jobs, and gives them back when it is stopped."""
    store = Store()
    closing = anyio.current_time() + SHIFT_SECONDS

    async def run(row: Row) -> None:
        row.state = "running"
        try:
            with anyio.move_on_after(JOB_SECONDS):
                await handler(store, row)
                row.state = "done"
        finally:
            if row.state == "running":  # stopped, by its deadline or with the worker
                row.state = "waiting"

    async def serve() -> None:
        while anyio.current_time() < closing:
            await anyio.sleep(0.5)
            for row in store.rows:
                if row.state == "waiting":
                    await run(row)

    async with anyio.create_task_group() as group:
        group.start_soon(serve, name="worker")
    return store


def unsent(store: Store) -> list[Row]:
    """The detection, a look at both sides: what is booked as done and is not on the carrier's list."""
    return [row for row in store.rows if row.state == "done" and row.parcel not in store.sent]


def assert_holds(store: Store) -> None:
    """The invariant."""
    told = ", ".join(f"parcel {row.parcel} ({row.note})" for row in unsent(store))
    assert not unsent(store), f"a job that was stopped is not booked as done: {told} was never sent"


async def repair(store: Store) -> None:
    """Have done again what is booked as done and is not on the carrier's list."""
    for row in unsent(store):
        await anyio.sleep(0.1)
        row.state = "waiting"
