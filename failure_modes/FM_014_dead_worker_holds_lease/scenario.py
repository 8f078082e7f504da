"""FM_014: a worker dies, its lease passes, and nobody takes the job over.

broken     one worker, the leader, looks for leases that have passed
guarded    every worker looks

A lease is a promise that somebody looks when it is over. If that somebody can die as well, it promises nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio

from faultloop import world

JOBS = 3
LEASE_SECONDS = 5.0
POLL_SECONDS = 3.0
SHIFT_SECONDS = 16.0
GRACE_SECONDS = POLL_SECONDS + 1
LEADER = "worker-1"


@dataclass(slots=True)
class Row:
    """A job. state: waiting, running or done.   lease_until: on the clock of the run."""

    state: str = "waiting"
    lease_until: float = 0.0


@dataclass(slots=True)
class Store:
    """The queue's table. seen_at: when a worker was up last; after that nobody is there to look."""

    rows: list[Row] = field(default_factory=lambda: [Row() for _ in range(JOBS)])
    seen_at: float = 0.0

    async def claim(self) -> Row | None:
        """Claim a job that waits."""
        await anyio.sleep(0.1)
        row = next((row for row in self.rows if row.state == "waiting"), None)
        if row is not None:
            row.state, row.lease_until = "running", anyio.current_time() + LEASE_SECONDS
        return row

    async def rescue(self) -> None:
        """Let jobs whose lease has passed be claimed again. It asks for the lease, never for the worker."""
        await anyio.sleep(0.1)
        for row in self.rows:
            if row.state == "running" and row.lease_until < anyio.current_time():
                row.state = "waiting"


Sweep = Callable[[Store, str], Awaitable[None]]


async def sweep_as_leader(store: Store, worker: str) -> None:
    """It is one worker's task to look."""
    if worker == LEADER:
        await store.rescue()


async def sweep(store: Store, _worker: str) -> None:
    """It is everybody's. Two who look at once do no harm: each job is freed by one of them."""
    await store.rescue()


async def broken() -> None:
    """The leader looks."""
    assert_holds(await damaged())


async def guarded() -> None:
    """Everybody looks."""
    assert_holds(await work(sweep))


async def damaged() -> Store:
    """What is left where the leader looks."""
    return await work(sweep_as_leader)


async def work(sweep: Sweep) -> Store:
    """Two workers for a shift, each on a machine of its own, and what is left when they must be through."""
    store = Store()
    closing = anyio.current_time() + SHIFT_SECONDS

    async def serve(worker: str) -> None:
        while anyio.current_time() < closing:
            store.seen_at = anyio.current_time()
            await sweep(store, worker)
            row = await store.claim()
            if row is None:
                await anyio.sleep(POLL_SECONDS)
                continue
            await anyio.sleep(1)
            row.state = "done"

    for worker in ("worker-1", "worker-2"):
        world.node(worker).start(serve, worker)
    await anyio.sleep(SHIFT_SECONDS + POLL_SECONDS)
    return store


def assert_holds(store: Store) -> None:
    """The invariant, which is the detection as well: no lease has passed for longer than it takes to look."""
    held = [store.seen_at - row.lease_until for row in store.rows if row.state == "running"]
    late = [f"{seconds:.0f} s ago" for seconds in held if seconds > GRACE_SECONDS]
    assert not late, f"a lease that has passed is noticed within {GRACE_SECONDS:.0f} s: passed {', '.join(late)}"


async def repair(store: Store) -> None:
    """The same statement that workers send, sent by hand: `rescue` as of the moment that was looked at."""
    await anyio.sleep(0.1)
    for row in store.rows:
        if row.state == "running" and row.lease_until < store.seen_at:
            row.state = "waiting"
