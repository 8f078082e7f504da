"""FM_016: a machine's clock jumps, and a lease that was just taken looks as if it had ended an hour ago.

broken     each worker compares leases with its own machine's clock
guarded    the store's clock is the only one; workers send durations

Two clocks that are compared will differ one day. Here one machine falls back on a time server that is an hour ahead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import anyio

LEASE_SECONDS = 20.0
AHEAD_SECONDS = 3600.0
ASK_SECONDS = 1.0
HOSTS = ("1", "2")


@dataclass(slots=True)
class Invoice:
    """An invoice that went out. attempt: the claim that made it."""

    attempt: int
    is_cancelled: bool = False


@dataclass(slots=True)
class Store:
    """One order that is to be invoiced, and the invoices that were sent. state: waiting, running or done."""

    state: str = "waiting"
    attempt: int = 0
    lease_until: float = 0.0
    invoices: list[Invoice] = field(default_factory=list)


@dataclass(slots=True)
class Host:
    """A machine. ahead: how far its clock is, in seconds."""

    name: str
    ahead: float = 0.0


Clock = Callable[[Host], float]


def by_host(host: Host) -> float:
    """What time it is, for whoever asks this machine."""
    return anyio.current_time() + host.ahead


def by_store(_host: Host) -> float:
    """What time it is, for whoever asks the store: `now()` in the statement itself."""
    return anyio.current_time()


async def broken() -> None:
    """Leases by the machine's clock."""
    assert_holds(await damaged())


async def guarded() -> None:
    """Leases by the store's."""
    assert_holds(await work(by_store))


async def damaged() -> Store:
    """What is left where leases go by the machine's clock."""
    return await work(by_host)


async def work(clock: Clock) -> Store:
    """A worker on each of two machines looks for the order, which takes eight seconds; one machine sets its clock."""
    store = Store()

    async def claim(host: Host) -> int | None:
        await anyio.sleep(0.1)
        now = clock(host)
        if store.state == "waiting" or (store.state == "running" and store.lease_until < now):
            store.state, store.attempt, store.lease_until = "running", store.attempt + 1, now + LEASE_SECONDS
            return store.attempt
        return None

    async def serve(host: Host) -> None:
        while store.state != "done":
            attempt = await claim(host)
            if attempt is None:
                await anyio.sleep(3)
                continue
            await anyio.sleep(8)
            store.invoices.append(Invoice(attempt))  # … and the state: one transaction
            store.state = "done"

    async def set_clock(host: Host) -> None:
        await anyio.sleep(1)
        with anyio.move_on_after(ASK_SECONDS) as answer:
            await anyio.sleep(0.1)  # the question travels
            await anyio.sleep(0.1)  # so does the answer
        host.ahead = AHEAD_SECONDS if answer.cancelled_caught else 0.0  # the second server on the list is an hour ahead

    async with anyio.create_task_group() as group:
        for name in HOSTS:
            host = Host(name)
            group.start_soon(serve, host, name=f"worker-{name}")
            group.start_soon(set_clock, host, name=f"ntp-{name}")
    return store


def assert_holds(store: Store) -> None:
    """The invariant, by its effect: an order that has one owner at a time is invoiced once."""
    sent = [invoice.attempt for invoice in store.invoices if not invoice.is_cancelled]
    assert len(sent) <= 1, f"a lease is taken from nobody who lives: attempts {sent} have each sent an invoice"


async def repair(store: Store) -> None:
    """Cancel all invoices but that of the attempt that owned the order last."""
    for invoice in store.invoices:
        if invoice.attempt != store.attempt and not invoice.is_cancelled:
            await anyio.sleep(0.1)  # the customer is told
            invoice.is_cancelled = True
