"""FM_023: a worker sleeps through the end of its lease, another one does the job, the first wakes up and writes.

broken     whoever has a result writes it
guarded    a write carries its attempt, and changes nothing once the job has a later one

No worker can know that it still owns its job: the answer may be old when it arrives. The store knows.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio

from faultloop import world

LEASE_SECONDS = 9.0
ASK_SECONDS = 5.0
PAUSE_SECONDS = 20.0


@dataclass(slots=True)
class Price:
    """A price list that was put on the web. attempt: the claim that made it.   as_of: when its figures were read."""

    attempt: int
    as_of: float


@dataclass(slots=True)
class Store:
    """One job, and the price lists it put on the web; the last one is seen. state: waiting, running or done."""

    state: str = "waiting"
    attempt: int = 0
    lease_until: float = 0.0
    prices: list[Price] = field(default_factory=list)

    async def claim(self) -> int | None:
        """Claim the job if it waits, or if whoever has it let the lease pass. Return the attempt."""
        await anyio.sleep(0.1)
        now = anyio.current_time()
        if self.state == "waiting" or (self.state == "running" and self.lease_until < now):
            self.state, self.attempt, self.lease_until = "running", self.attempt + 1, now + LEASE_SECONDS
            return self.attempt
        return None


Publish = Callable[[Store, Price], Awaitable[None]]


async def publish(store: Store, price: Price) -> None:
    """Put a price list on the web, and write that the job is done: one transaction."""
    await anyio.sleep(0.1)
    store.prices.append(price)
    store.state = "done"


async def publish_fenced(store: Store, price: Price) -> None:
    """The same for the owner of the job, and nothing for anybody else."""
    await anyio.sleep(0.1)
    if store.attempt != price.attempt:
        return
    store.prices.append(price)
    store.state = "done"


async def ask() -> None:
    """Ask another service, and once more after a pause if it does not answer in time."""
    for _ in range(2):
        with anyio.move_on_after(ASK_SECONDS):
            await anyio.sleep(0.5)  # the question travels
            await anyio.sleep(0.5)  # so does the answer
            return
        await anyio.sleep(PAUSE_SECONDS)


async def broken() -> None:
    """Anybody writes."""
    assert_holds(await damaged())


async def guarded() -> None:
    """The owner writes."""
    assert_holds(await work(publish_fenced))


async def damaged() -> Store:
    """What is left where anybody writes."""
    return await work(publish)


async def work(write: Publish) -> Store:
    """Two machines look for the job until it is done. Whoever has it reads the figures, asks, and publishes."""
    store = Store()

    async def serve() -> None:
        while store.state != "done":
            attempt = await store.claim()
            if attempt is None:
                await anyio.sleep(2)
                continue
            price = Price(attempt, as_of=anyio.current_time())
            await ask()
            await write(store, price)

    machines = [world.node(worker) for worker in ("worker-1", "worker-2")]
    for machine in machines:
        machine.start(serve)
    for machine in machines:
        await machine.finished()
    return store


def last_owners(store: Store) -> Price | None:
    """The price list of the last attempt that published one."""
    return max(store.prices, key=lambda price: price.attempt, default=None)


def assert_holds(store: Store) -> None:
    """The invariant, by its effect: what is seen was written by the last one who owned the job."""
    owners = last_owners(store)
    if owners is not None:
        seen = store.prices[-1]
        assert seen.attempt == owners.attempt, (
            f"only the owner of a job writes: attempt {seen.attempt} wrote over attempt {owners.attempt}, "
            f"with figures that are {owners.as_of - seen.as_of:.0f} s older"
        )


async def repair(store: Store) -> None:
    """Put the last owner's price list on the web again. The versions are kept, and both workers are in them."""
    await anyio.sleep(0.1)
    owners = last_owners(store)
    if owners is not None and store.prices[-1].attempt != owners.attempt:
        store.prices.append(owners)
