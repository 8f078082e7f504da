"""FM_004: a worker is stopped while it acknowledges a job whose effect is made: job and effect come again.

broken     acknowledges like it does everything else: a cancellation ends it there
guarded    acknowledges under a shield with a deadline of its own, and is cancelled right after
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio

ORDERS = (41, 42)
ACK_SECONDS = 5.0
ACK_TRIES = 3


@dataclass(slots=True)
class Parcel:
    """A parcel that was handed to the carrier."""

    order: int
    is_called_back: bool = False


@dataclass(slots=True)
class Warehouse:
    """What is to be sent, and what was. state: waiting, running or done, by order.   parcels: as they left."""

    state: dict[int, str] = field(default_factory=lambda: dict.fromkeys(ORDERS, "waiting"))
    parcels: list[Parcel] = field(default_factory=list)

    async def claim(self) -> int | None:
        """Claim an order that waits."""
        await anyio.sleep(0.1)
        order = next((order for order, state in self.state.items() if state == "waiting"), None)
        if order is not None:
            self.state[order] = "running"
        return order

    async def ship(self, order: int) -> None:
        """The effect. Nothing is waited for after it, so that whoever returns from here has made it."""
        await anyio.sleep(1)
        self.parcels.append(Parcel(order))

    async def ack(self, order: int) -> None:
        """Write that an order is done. Again is the same."""
        await anyio.sleep(0.1)  # the question travels
        self.state[order] = "done"
        await anyio.sleep(0.1)  # the answer travels

    async def rescue(self) -> None:
        """Let orders that were claimed by a worker which is gone be claimed again."""
        await anyio.sleep(0.1)
        for order, state in self.state.items():
            if state == "running":
                self.state[order] = "waiting"


Ack = Callable[[Warehouse, int], Awaitable[None]]


async def ack_in_time(warehouse: Warehouse, order: int) -> None:
    """Acknowledge, and once more when no answer comes in time."""
    for _ in range(ACK_TRIES):
        with anyio.move_on_after(ACK_SECONDS):
            await warehouse.ack(order)
            return


async def ack_shielded(warehouse: Warehouse, order: int) -> None:
    """The same, not to be stopped: it ends by itself, after three deadlines at the latest."""
    with anyio.CancelScope(shield=True):
        await ack_in_time(warehouse, order)


async def broken() -> None:
    """Orders are acknowledged by a worker that can be stopped at it."""
    assert_holds(await damaged())


async def guarded() -> None:
    """Orders are acknowledged by one that cannot."""
    assert_holds(await work(ack_shielded))


async def damaged() -> Warehouse:
    """What the first one leaves behind."""
    return await work(ack_in_time)


async def work(ack: Ack) -> Warehouse:
    """Let a worker send all orders; when it ends, or is stopped by a deploy, the next one takes over."""
    warehouse = Warehouse()

    async def serve() -> None:
        await warehouse.rescue()
        while (order := await warehouse.claim()) is not None:
            await warehouse.ship(order)
            await ack(warehouse, order)  # no await above this line: what was sent is acknowledged

    for worker in ("worker-1", "worker-2"):
        async with anyio.create_task_group() as group:
            group.start_soon(serve, name=worker)
    return warehouse


def assert_holds(warehouse: Warehouse) -> None:
    """The invariant, which is the detection as well: no order is on its way more than once."""
    sent = Counter(parcel.order for parcel in warehouse.parcels if not parcel.is_called_back)
    twice = [f"order {order} was sent {times} times" for order, times in sorted(sent.items()) if times > 1]
    assert not twice, f"every order is sent once: {', '.join(twice)}"


async def repair(warehouse: Warehouse) -> None:
    """Call back every parcel of an order but its first. Stopped half-way or run again, it does no harm."""
    first: set[int] = set()
    for parcel in list(warehouse.parcels):
        if not parcel.is_called_back and parcel.order in first:
            await anyio.sleep(0.1)  # the carrier is told which parcel
            parcel.is_called_back = True
        first.add(parcel.order)
