"""FM_029: a job has charged a card, the hook that counts it fails, and the job is never acknowledged.

broken     handler, hooks, acknowledgement
guarded    handler, acknowledgement, hooks; and what a hook has to say is noted

The metrics service is down for a moment, and customers pay twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio

LEASE_SECONDS = 5.0
HOOK_SECONDS = 2.0
RESTART_SECONDS = 1.0
SHIFT_SECONDS = 14.0


@dataclass(slots=True)
class Charge:
    """A charge of a card. order: the job that made it."""

    order: int
    is_refunded: bool = False


@dataclass(slots=True)
class Row:
    """A job: to charge an order. state: waiting, running or done."""

    order: int
    state: str = "waiting"
    lease_until: float = 0.0


@dataclass(slots=True)
class Store:
    """The queue's table and the charges, in one database. counted: what the metrics know.   log: what hooks said."""

    rows: list[Row] = field(default_factory=lambda: [Row(1), Row(2)])
    charges: list[Charge] = field(default_factory=list)
    counted: int = 0
    log: list[str] = field(default_factory=list)

    def claim(self) -> Row | None:
        """The oldest job that waits, or whose lease has passed."""
        now = anyio.current_time()
        for row in self.rows:
            if row.state == "waiting" or (row.state == "running" and row.lease_until < now):
                row.state, row.lease_until = "running", now + LEASE_SECONDS
                return row
        return None


async def count_it(store: Store) -> None:
    """The hook: tell the metrics service that a job has ended. Raises TimeoutError."""
    with anyio.fail_after(HOOK_SECONDS):
        await anyio.sleep(0.1)  # the connection is made
        await anyio.sleep(0.1)  # the number travels
        store.counted += 1


Run = Callable[[Store, Row], Awaitable[None]]


async def hooks_first(store: Store, row: Row) -> None:
    """Charge, tell whoever wants to know, and acknowledge."""
    store.charges.append(Charge(row.order))
    await count_it(store)
    row.state = "done"


async def acknowledgement_first(store: Store, row: Row) -> None:
    """Charge and acknowledge, in one transaction; then tell whoever wants to know."""
    store.charges.append(Charge(row.order))
    row.state = "done"
    try:
        await count_it(store)
    except TimeoutError:
        store.log.append(f"order {row.order} was not counted")


async def broken() -> None:
    """Hooks first."""
    assert_holds(await damaged())


async def guarded() -> None:
    """The acknowledgement first."""
    assert_holds(await work(acknowledgement_first))


async def damaged() -> Store:
    """What is left where hooks come first."""
    return await work(hooks_first)


async def work(run: Run) -> Store:
    """A worker that is started again when an exception ends it."""
    store = Store()
    closing = anyio.current_time() + SHIFT_SECONDS

    async def serve() -> None:
        while anyio.current_time() < closing:
            await anyio.sleep(1)
            if row := store.claim():
                await run(store, row)

    async def supervise() -> None:
        while anyio.current_time() < closing:
            try:
                async with anyio.create_task_group() as process:
                    process.start_soon(serve, name="worker")
            except* TimeoutError as errors:
                store.log.append(f"the worker died of {errors.exceptions[0]!r}")
            await anyio.sleep(RESTART_SECONDS)

    async with anyio.create_task_group() as group:
        group.start_soon(supervise, name="supervisor")
    return store


def charged_again(store: Store) -> list[Charge]:
    """The detection: charges that stand beside an earlier one of the same order."""
    standing = [charge for charge in store.charges if not charge.is_refunded]
    return [c for number, c in enumerate(standing) if any(c.order == other.order for other in standing[:number])]


def assert_holds(store: Store) -> None:
    """The invariant."""
    told = ", ".join(f"order {charge.order}" for charge in charged_again(store))
    assert not charged_again(store), f"a hook decides nothing: {told} was charged again; log: {'; '.join(store.log)}"


async def repair(store: Store) -> None:
    """Give back what was charged again."""
    for charge in charged_again(store):
        await anyio.sleep(0.1)  # the refund travels, under the number of the charge
        charge.is_refunded = True
