"""FM_027: what can never succeed fails, is dead, is sent round again by a helpful task, and fails again, for ever.

broken     each redrive is a new life: the failures are counted from zero
guarded    a job is redriven a bounded number of times, and its claims are never forgotten

Bounded retries in an unbounded loop are unbounded retries.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import anyio

TRIES = 3
REDRIVES_MAX = 1
CLAIMS_MAX = TRIES * (1 + REDRIVES_MAX)
ASK_SECONDS = 2.0
REDRIVE_SECONDS = 4.0
SHIFT_SECONDS = 24.0


@dataclass(slots=True)
class Row:
    """A job: to deliver an event to a subscriber's address. state: waiting, done, dead or parked.

    failures: in this life.   redrives: lives before it.   claims: in all of them.
    """

    address: str
    state: str = "waiting"
    failures: int = 0
    redrives: int = 0
    claims: int = 0


@dataclass(slots=True)
class Store:
    """The queue's table."""

    rows: list[Row] = field(default_factory=list)


Redrive = Callable[[Row], None]


def redrive(row: Row) -> None:
    """Send a dead letter round again."""
    row.state, row.failures, row.redrives = "waiting", 0, row.redrives + 1


def redrive_bounded(row: Row) -> None:
    """Send it round again, but not for ever: then it is for somebody to look at."""
    if row.redrives >= REDRIVES_MAX:
        row.state = "parked"
    else:
        redrive(row)


async def broken() -> None:
    """Redrives without a bound."""
    assert_holds(await damaged())


async def guarded() -> None:
    """Redrives with one."""
    assert_holds(await work(redrive_bounded))


async def damaged() -> Store:
    """What redrives without a bound leave behind."""
    return await work(redrive)


async def work(again: Redrive) -> Store:
    """A shop publishes an event, a worker delivers it, and a task sends round again what is dead."""
    store = Store()
    closing = anyio.current_time() + SHIFT_SECONDS

    async def publish() -> None:
        address = ""  # of a subscriber nobody knows
        with anyio.move_on_after(ASK_SECONDS):
            await anyio.sleep(0.2)  # the question travels
            await anyio.sleep(0.2)  # so does the answer
            address = "https://example.org/hook"
        store.rows.append(Row(address))

    async def serve() -> None:
        while anyio.current_time() < closing:
            await anyio.sleep(1)
            for row in store.rows:
                if row.state == "waiting":
                    row.claims += 1
                    deliver(row)

    async def keep_redriving() -> None:
        while anyio.current_time() < closing:
            await anyio.sleep(REDRIVE_SECONDS)
            for row in store.rows:
                if row.state == "dead":
                    again(row)

    async with anyio.create_task_group() as group:
        group.start_soon(publish, name="shop")
        group.start_soon(serve, name="worker")
        group.start_soon(keep_redriving, name="redriver")
    return store


def deliver(row: Row) -> None:
    """Deliver an event, or count the failure. What is used up is dead."""
    if row.address:
        row.state = "done"
        return
    row.failures += 1
    if row.failures == TRIES:
        row.state = "dead"


def looping(store: Store) -> list[Row]:
    """The detection: jobs that go on although they were claimed more often than all their lives allow."""
    return [row for row in store.rows if row.state in {"waiting", "dead"} and row.claims > CLAIMS_MAX]


def assert_holds(store: Store) -> None:
    """The invariant."""
    told = ", ".join(f"{row.claims} claims in {row.redrives + 1} lives" for row in looping(store))
    assert not looping(store), (
        f"{TRIES} tries and {REDRIVES_MAX} redrive are {CLAIMS_MAX} claims at the most: a job had {told}, and goes on"
    )


async def repair(store: Store) -> None:
    """Park what goes round, with its payload, for somebody to look at."""
    for row in looping(store):
        await anyio.sleep(0.1)
        row.state = "parked"
