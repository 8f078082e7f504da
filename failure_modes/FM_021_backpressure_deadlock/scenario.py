"""FM_021: a handler puts a job into a full queue, and waits for room that only its own worker can make.

broken     waits for room, as the web shop does
guarded    gives its follow-up the place that its own job had

Back-pressure is right for who fills the queue from outside. Within it, the one who waits is the one who is waited for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio

ROOM = 2
ORDERS = 4
CALL_SECONDS = 2.0
RETRY_SECONDS = 8.0
SHIFT_SECONDS = 60.0


@dataclass(slots=True)
class Shop:
    """What a shift leaves. waiting: the queue.   stuck: what a handler holds, for want of room.   done: in order."""

    waiting: deque[str] = field(default_factory=deque)
    stuck: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)


class Queue:
    """A queue with room for two jobs, in a shop."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self._changed = anyio.Condition()

    async def put(self, job: str) -> None:
        """Store a job as soon as there is room for it."""
        async with self._changed:
            while len(self.shop.waiting) >= ROOM:
                await self._changed.wait()
            self.shop.waiting.append(job)
            self._changed.notify_all()

    async def put_in_my_place(self, job: str) -> None:
        """Store a job that follows the one the caller took, whose place is its own. Nobody waits."""
        async with self._changed:
            self.shop.waiting.append(job)
            self._changed.notify_all()

    async def take(self) -> str:
        """The oldest job, as soon as there is one."""
        async with self._changed:
            while not self.shop.waiting:
                await self._changed.wait()
            self._changed.notify_all()
            return self.shop.waiting.popleft()


FollowUp = Callable[[Queue, str], Awaitable[None]]


async def wait_for_room(queue: Queue, job: str) -> None:
    """Put the next job like anybody."""
    queue.shop.stuck.append(job)
    await queue.put(job)
    queue.shop.stuck.remove(job)


async def take_my_place(queue: Queue, job: str) -> None:
    """Put the next job where this one was."""
    await queue.put_in_my_place(job)


async def broken() -> None:
    """A handler that waits for room."""
    assert_holds(await damaged())


async def guarded() -> None:
    """A handler that has a place."""
    assert_holds(await work(take_my_place))


async def damaged() -> Shop:
    """What a handler that waits for room leaves behind."""
    return await work(wait_for_room)


async def work(follow_up: FollowUp) -> Shop:
    """A worker with one slot packs orders, each followed by a mail; the web takes an order every second."""
    shop = Shop()
    queue = Queue(shop)

    async def pack() -> None:
        while True:
            with anyio.move_on_after(CALL_SECONDS):
                await anyio.sleep(0.1)  # the question travels to the warehouse
                await anyio.sleep(0.1)  # so does the answer
                return
            await anyio.sleep(RETRY_SECONDS)

    async def serve() -> None:
        while len(shop.done) < 2 * ORDERS:
            job = await queue.take()
            if job.startswith("order"):
                await pack()
                await follow_up(queue, job.replace("order", "mail"))
            shop.done.append(job)

    async def sell() -> None:
        for number in range(ORDERS):
            await anyio.sleep(1)
            await queue.put(f"order {number}")

    with anyio.move_on_after(SHIFT_SECONDS):
        async with anyio.create_task_group() as group:
            group.start_soon(sell, name="web")
            group.start_soon(serve, name="worker")
    return shop


def assert_holds(shop: Shop) -> None:
    """The invariant, which is the detection as well: no slot waits for a queue that it is to empty."""
    assert not shop.stuck or len(shop.waiting) < ROOM, (
        f"a full queue is worked off: {len(shop.waiting)} of {ROOM} places are taken, the only slot waits to put "
        f"«{shop.stuck[0]}» there, and {len(shop.done)} of {2 * ORDERS} jobs are done"
    )


async def repair(shop: Shop) -> None:
    """Let in over the limit what handlers hold. Their slots are free then, and make room."""
    while shop.stuck:
        await anyio.sleep(0.1)
        for job in shop.stuck[:1]:
            shop.waiting.append(job)
            shop.stuck.remove(job)
