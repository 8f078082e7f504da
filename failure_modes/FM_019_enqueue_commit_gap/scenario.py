"""FM_019: a customer signs up, the request ends between the commit and the enqueue, and nobody ever greets him.

broken     commits the customer, then enqueues the mail
guarded    commits the customer and the mail's job together, then enqueues it; a relay does so if that fails

Two stores, two writes: whichever comes first, there is a moment in which one of them is made and the other is not.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio

REQUEST_SECONDS = 3.0
CUSTOMERS = ("anna", "ben")
SHIFT_SECONDS = 15.0


@dataclass(slots=True)
class Shop:
    """The shop's database and the queue beside it. outbox: jobs that were committed with their customer's row."""

    customers: list[str] = field(default_factory=list)
    outbox: list[str] = field(default_factory=list)
    queue: list[str] = field(default_factory=list)
    greeted: list[str] = field(default_factory=list)

    async def commit(self, customer: str, *, job: str | None = None) -> None:
        """Write a customer, and a job beside him: one transaction."""
        await anyio.sleep(0.1)  # the statements travel
        self.customers.append(customer)
        if job is not None:
            self.outbox.append(job)

    async def enqueue(self, job: str) -> None:
        """Put a job into the queue. Its name is unique: a second one of it is none."""
        await anyio.sleep(0.1)  # the connection is made
        await anyio.sleep(0.1)  # the job travels
        if job not in self.queue and job not in self.greeted:
            self.queue.append(job)


SignUp = Callable[[Shop, str], Awaitable[None]]


async def sign_up(shop: Shop, customer: str) -> None:
    """Write the customer, then the job."""
    await shop.commit(customer)
    await shop.enqueue(customer)


async def sign_up_at_once(shop: Shop, customer: str) -> None:
    """Write the customer with the job, and carry the job on at once."""
    await shop.commit(customer, job=customer)
    await shop.enqueue(customer)


async def broken() -> None:
    """Two writes."""
    assert_holds(await damaged())


async def guarded() -> None:
    """One write."""
    assert_holds(await work(sign_up_at_once))


async def damaged() -> Shop:
    """What two writes leave behind."""
    return await work(sign_up)


async def work(handler: SignUp) -> Shop:
    """Requests with a deadline, a relay from the outbox to the queue, and a worker that greets."""
    shop = Shop()
    closing = anyio.current_time() + SHIFT_SECONDS

    async def request(customer: str) -> None:
        with anyio.move_on_after(REQUEST_SECONDS):
            await handler(shop, customer)

    async def relay() -> None:
        while anyio.current_time() < closing:
            await anyio.sleep(2)
            for job in list(shop.outbox):
                await shop.enqueue(job)
                shop.outbox.remove(job)

    async def serve() -> None:
        while anyio.current_time() < closing:
            await anyio.sleep(2)
            for job in list(shop.queue):
                await anyio.sleep(0.1)
                shop.queue.remove(job)
                shop.greeted.append(job)

    async with anyio.create_task_group() as group:
        group.start_soon(relay, name="relay")
        group.start_soon(serve, name="worker")
        for customer in CUSTOMERS:
            group.start_soon(request, customer, name=f"request-{customer}")
    return shop


def forgotten(shop: Shop) -> list[str]:
    """The detection, an anti-join: customers with no job, in whichever place."""
    return [name for name in shop.customers if name not in {*shop.outbox, *shop.queue, *shop.greeted}]


def assert_holds(shop: Shop) -> None:
    """The invariant."""
    assert not forgotten(shop), f"who is a customer has a job: {', '.join(forgotten(shop))} will never be greeted"


async def repair(shop: Shop) -> None:
    """Enqueue what is missing, under the same unique names."""
    for customer in forgotten(shop):
        await shop.enqueue(customer)
