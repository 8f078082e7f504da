"""FM_013: the notification is lost, and a worker sleeps beside a job that waits for it.

broken     sleeps until it is notified
guarded    sleeps until it is notified, or for two seconds

Nothing is wrong with the store, the job or the worker. Only the hint between them got lost.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio

POLL_SECONDS = 2.0
SHIFT_SECONDS = 15.0
JOBS = 3


@dataclass(slots=True)
class Shift:
    """What is seen at the end of a shift. waiting, done: jobs.   idle: workers that sleep."""

    waiting: list[int] = field(default_factory=list)
    done: list[int] = field(default_factory=list)
    idle: list[str] = field(default_factory=list)


class Bell:
    """Wakes who waits for it. Whoever takes it before it looks at the store misses no ring."""

    def __init__(self) -> None:
        self._rung = anyio.Event()

    def taken(self) -> anyio.Event:
        """What is set by the next ring."""
        if self._rung.is_set():
            self._rung = anyio.Event()
        return self._rung

    def ring(self) -> None:
        """Wake them."""
        self._rung.set()


Sleep = Callable[[anyio.Event], Awaitable[None]]


async def until_notified(rung: anyio.Event) -> None:
    """Sleep until the bell rings."""
    await rung.wait()


async def until_notified_or_later(rung: anyio.Event) -> None:
    """The same, and look at the store at times all the same."""
    with anyio.move_on_after(POLL_SECONDS):
        await rung.wait()


async def broken() -> None:
    """A worker that relies on being notified."""
    assert_holds(await damaged())


async def guarded() -> None:
    """A worker that takes a notification for a hint."""
    assert_holds(await work(until_notified_or_later))


async def damaged() -> Shift:
    """What the first one leaves behind."""
    return await work(until_notified)


async def work(sleep: Sleep) -> Shift:
    """A shop inserts jobs and notifies, a listener hears it and rings, a worker works, for 15 seconds."""
    shift, bell = Shift(), Bell()
    wire, notifications = anyio.create_memory_object_stream[int](JOBS)

    async def sell() -> None:
        for job in range(JOBS):
            await anyio.sleep(2)
            shift.waiting.append(job)  # the insert and its notification are one transaction
            wire.send_nowait(job)

    async def listen() -> None:
        while True:
            await notifications.receive()
            bell.ring()

    async def serve() -> None:
        while True:
            rung = bell.taken()
            await anyio.sleep(0.1)  # the question and its answer travel
            if shift.waiting:
                job = shift.waiting.pop(0)
                await anyio.sleep(0.5)
                shift.done.append(job)
                continue
            shift.idle.append("worker-1")
            try:
                await sleep(rung)
            finally:
                shift.idle.remove("worker-1")

    with wire, notifications:
        async with anyio.create_task_group() as group:
            group.start_soon(serve, name="worker-1")
            group.start_soon(listen, name="listener")
            group.start_soon(sell, name="shop")
            await anyio.sleep(SHIFT_SECONDS)
            seen = Shift(list(shift.waiting), list(shift.done), list(shift.idle))
            group.cancel_scope.cancel()
    return seen


def assert_holds(shift: Shift) -> None:
    """The invariant, which is the detection as well: nobody sleeps beside a job that waits."""
    assert not (shift.waiting and shift.idle), (
        f"no job waits while a worker is idle: jobs {shift.waiting} wait, {', '.join(shift.idle)} sleeps"
    )


async def repair(shift: Shift) -> None:
    """Look at the store once, as a worker does that is started again."""
    for job in list(shift.waiting):
        await anyio.sleep(0.1)  # it is claimed, and done in the same transaction
        if job in shift.waiting:
            shift.waiting.remove(job)
            shift.done.append(job)
