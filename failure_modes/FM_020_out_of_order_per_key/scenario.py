"""FM_020: two changes of one address, the first fails and waits for its next try, the second overtakes it.

broken     a worker claims the oldest job that is due, of a key that no other worker is at
guarded    of a key none of whose older jobs is still to be settled

The first change is tried again and succeeds. The parcel goes to where the customer lived before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import anyio

BACKOFF_SECONDS = 5.0
CALL_SECONDS = 2.0
SHIFT_SECONDS = 20.0


@dataclass(slots=True)
class Row:
    """A job: to write an address. state: waiting, running or done.   due_at: on the clock of the run."""

    number: int
    key: str
    state: str = "waiting"
    due_at: float = 0.0


@dataclass(slots=True)
class Store:
    """The queue's table, oldest first. addresses: the number of the job whose address each customer has."""

    rows: list[Row] = field(default_factory=lambda: [Row(1, "anna"), Row(2, "anna"), Row(3, "ben")])
    addresses: dict[str, int] = field(default_factory=dict)


Claim = Callable[[Store], Row | None]


def is_due(row: Row) -> bool:
    """Whether it may be begun."""
    return row.state == "waiting" and row.due_at <= anyio.current_time()


def is_running(store: Store, row: Row) -> bool:
    """Whether a job of the same key is in the hands of a worker."""
    return any(other.key == row.key and other.state == "running" for other in store.rows)


def has_older(store: Store, row: Row) -> bool:
    """Whether an older job of the same key is not settled: it runs, or it waits, also for its next try."""
    return any(other.key == row.key and other.number < row.number and other.state != "done" for other in store.rows)


def claim_one_at_a_time(store: Store) -> Row | None:
    """The oldest job that is due, of a key that no other worker is at."""
    for row in store.rows:
        if is_due(row) and not is_running(store, row):
            return row
    return None


def claim_in_order(store: Store) -> Row | None:
    """The oldest job that is due and the oldest of its key."""
    for row in store.rows:
        if is_due(row) and not has_older(store, row):
            return row
    return None


async def broken() -> None:
    """One at a time per key."""
    assert_holds(await damaged())


async def guarded() -> None:
    """In order per key."""
    assert_holds(await work(claim_in_order))


async def damaged() -> Store:
    """What is left where jobs run one at a time per key."""
    return await work(claim_one_at_a_time)


async def work(claim: Claim) -> Store:
    """Two workers write addresses into a directory; a call that takes too long is tried again later."""
    store = Store()
    closing = anyio.current_time() + SHIFT_SECONDS

    async def write(row: Row) -> None:
        with anyio.fail_after(CALL_SECONDS):
            await anyio.sleep(0.1)  # the connection is made
            await anyio.sleep(0.1)  # the address travels
        store.addresses[row.key] = row.number

    async def serve() -> None:
        while anyio.current_time() < closing and any(row.state != "done" for row in store.rows):
            row = claim(store)
            if row is None:
                await anyio.sleep(1)
                continue
            row.state = "running"
            try:
                await write(row)
                row.state = "done"
            except TimeoutError:
                row.state, row.due_at = "waiting", anyio.current_time() + BACKOFF_SECONDS

    async with anyio.create_task_group() as group:
        for worker in ("worker-1", "worker-2"):
            group.start_soon(serve, name=worker)
    return store


def newest(store: Store) -> dict[str, int]:
    """The number of the newest job that is done, by key."""
    return {row.key: row.number for row in store.rows if row.state == "done"}


def assert_holds(store: Store) -> None:
    """The invariant, by its effect: what stands in the directory is the newest change that was made."""
    wrong = [
        f"{key} has that of job {store.addresses[key]}, not {job}"
        for key, job in newest(store).items()
        if store.addresses[key] < job
    ]
    assert not wrong, f"the last change of an address is the one in effect: {', '.join(wrong)}"


async def repair(store: Store) -> None:
    """Do the newest change of each overtaken key again."""
    for key, job in newest(store).items():
        await anyio.sleep(0.1)
        if store.addresses[key] < job:
            store.addresses[key] = job
