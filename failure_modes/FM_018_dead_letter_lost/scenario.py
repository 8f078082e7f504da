"""FM_018: an operator sends dead letters again, closes the window half-way, and the rest is gone.

broken     takes all letters out of the dead letter, and puts one after the other into the queue
guarded    moves one after the other: a letter is in one place or in the other

A dead letter that can only be read by taking it out is in nobody's keeping while it is looked at.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio

WINDOW_SECONDS = 5.0
ORDERS = {"order-1": "2 chairs", "order-2": "1 table", "order-3": "4 lamps"}


@dataclass(slots=True)
class Broker:
    """Where jobs are, payload by name. history: each job that was accepted, as it was written when it was buried."""

    dead: dict[str, str] = field(default_factory=lambda: dict(ORDERS))
    queue: dict[str, str] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    history: dict[str, str] = field(default_factory=lambda: dict(ORDERS))

    def take_all(self) -> dict[str, str]:
        """Receive and delete: what is in the dead letter is the caller's now."""
        letters, self.dead = self.dead, {}
        return letters

    def revive(self, name: str) -> None:
        """Move a letter into the queue, in one transaction. Nothing happens if somebody else did."""
        if name in self.dead:
            self.queue[name] = self.dead.pop(name)


async def travel() -> None:
    """To the broker, and back."""
    await anyio.sleep(0.2)
    await anyio.sleep(0.2)


Resend = Callable[[Broker], Awaitable[None]]


async def take_and_send(broker: Broker) -> None:
    """Send all dead letters again: take them out, and put one after the other into the queue."""
    for name, payload in broker.take_all().items():
        await travel()
        broker.queue[name] = payload


async def move(broker: Broker) -> None:
    """Send all dead letters again, each as one change of where it is."""
    for name in list(broker.dead):
        await travel()
        broker.revive(name)


async def broken() -> None:
    """Letters are taken out."""
    assert_holds(await damaged())


async def guarded() -> None:
    """Letters are moved."""
    assert_holds(await work(move))


async def damaged() -> Broker:
    """What is left where letters are taken out."""
    return await work(take_and_send)


async def work(resend: Resend) -> Broker:
    """An operator with a window that closes by itself, and a worker for what comes into the queue."""
    broker = Broker()
    has_stopped = anyio.Event()

    async def operate() -> None:
        try:
            with anyio.move_on_after(WINDOW_SECONDS):
                await resend(broker)
        finally:
            has_stopped.set()

    async def serve() -> None:
        await has_stopped.wait()
        while broker.queue:
            await anyio.sleep(0.5)
            name = next(iter(broker.queue))
            del broker.queue[name]  # … and what it did: one transaction
            broker.done.append(name)

    async with anyio.create_task_group() as group:
        group.start_soon(operate, name="operator")
        group.start_soon(serve, name="worker")
    return broker


def lost(broker: Broker) -> list[str]:
    """The detection, an account of all that was accepted: what is done, waiting and dead is all there is."""
    return [name for name in broker.history if name not in {*broker.done, *broker.queue, *broker.dead}]


def assert_holds(broker: Broker) -> None:
    """The invariant."""
    assert not lost(broker), (
        f"every job that was accepted is done, waiting or dead: {', '.join(lost(broker))} is nowhere; "
        f"of {len(broker.history)}, {len(broker.done)} are done and {len(broker.dead)} dead"
    )


async def repair(broker: Broker) -> None:
    """Bury again, from the history, what is nowhere."""
    for name in lost(broker):
        await anyio.sleep(0.1)
        if name in lost(broker):
            broker.dead[name] = broker.history[name]
