"""FM_031: a worker claims three jobs at once, the first takes long, and the leases of the others pass in its buffer.

broken     claims a batch, and works through it
guarded    claims as many as it has free slots: one

What lies in a buffer has an owner who does nothing with it, and others who may not; and then others who may.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import anyio

LEASE_SECONDS = 6.0
BATCH = 3
ASK_SECONDS = 2.0
PAUSE_SECONDS = 9
SHIFT_SECONDS = 18.0


@dataclass(slots=True)
class Row:
    """A job: to remind a customer. state: waiting, running or done."""

    customer: int
    state: str = "waiting"
    lease_until: float = 0.0

    def has_lost(self, now: float) -> bool:
        """Whether whoever had it let the lease pass."""
        return self.state == "running" and self.lease_until < now


@dataclass(slots=True)
class Letter:
    """A reminder that was sent. worker: by whom."""

    customer: int
    worker: str
    is_excused: bool = False


@dataclass(slots=True)
class Store:
    """The queue's table, and the letters that went out."""

    rows: list[Row] = field(default_factory=lambda: [Row(number) for number in range(BATCH)])
    letters: list[Letter] = field(default_factory=list)

    def claim(self, most: int) -> list[Row]:
        """Claim jobs that wait, or whose lease has passed."""
        now = anyio.current_time()
        free = [
            row for row in self.rows if row.state == "waiting" or (row.state == "running" and row.lease_until < now)
        ]
        for row in free[:most]:
            row.state, row.lease_until = "running", now + LEASE_SECONDS
        return free[:most]


Claim = Callable[[Store], list[Row]]


def claim_batch(store: Store) -> list[Row]:
    """As many as come, so that the store is asked less often."""
    return store.claim(BATCH)


def claim_for_free_slots(store: Store) -> list[Row]:
    """As many as can be begun now."""
    return store.claim(1)


async def broken() -> None:
    """Claimed in advance."""
    assert_holds(await damaged())


async def guarded() -> None:
    """Claimed when begun."""
    assert_holds(await work(claim_for_free_slots))


async def damaged() -> Store:
    """What is left where jobs are claimed in advance."""
    return await work(claim_batch)


async def work(claim: Claim) -> Store:
    """Two workers with one slot each. Whoever is at a job renews its lease."""
    store = Store()
    closing = anyio.current_time() + SHIFT_SECONDS

    async def address(row: Row) -> None:
        while True:
            with anyio.move_on_after(ASK_SECONDS):
                await anyio.sleep(0.3)  # the question travels
                await anyio.sleep(0.3)  # so does the answer
                return
            for _ in range(PAUSE_SECONDS):
                await anyio.sleep(1)
                row.lease_until = anyio.current_time() + LEASE_SECONDS

    async def serve(worker: str) -> None:
        while anyio.current_time() < closing:
            for row in claim(store):
                row.lease_until = anyio.current_time() + LEASE_SECONDS
                await address(row)
                store.letters.append(Letter(row.customer, worker))
                row.state = "done"
            await anyio.sleep(2)

    async with anyio.create_task_group() as group:
        for worker in ("worker-1", "worker-2"):
            group.start_soon(serve, worker, name=worker)
    return store


def sent_again(store: Store) -> list[Letter]:
    """The detection: letters to a customer who has one, but for those that were excused."""
    letters = [letter for letter in store.letters if not letter.is_excused]
    return [one for at, one in enumerate(letters) if any(one.customer == other.customer for other in letters[:at])]


def assert_holds(store: Store) -> None:
    """The invariant, by its effect: a job that is begun under its lease is done once."""
    told = ", ".join(f"customer {letter.customer} by {letter.worker}" for letter in sent_again(store))
    assert not sent_again(store), f"a job is begun by its owner: {told} was reminded again"


async def repair(store: Store) -> None:
    """Excuse the second letter."""
    for letter in sent_again(store):
        await anyio.sleep(0.1)  # the excuse travels, under the number of the letter
        letter.is_excused = True
