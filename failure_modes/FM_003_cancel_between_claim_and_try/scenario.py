"""FM_003: a worker is stopped after its claim was committed and before it holds the job: now nobody has the job.

broken     claims, and then enters the `try` whose `finally` gives back what is not done
guarded    enters it first: what its token claimed is given back, even if the answer never came

The row says «running». Nothing in the system is at it, and until the lease is over no other worker will look.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio

JOBS = 2
CLAIM_SECONDS = 5.0
RELEASE_SECONDS = 5.0


@dataclass(slots=True)
class Row:
    """A job. state: waiting, running or done.   token: under which it was claimed, made up by whoever claims."""

    job: int
    state: str = "waiting"
    token: str = ""


@dataclass(slots=True)
class Store:
    """The queue's table, a network away."""

    rows: list[Row] = field(default_factory=lambda: [Row(job) for job in range(JOBS)])

    async def claim(self, token: str) -> Row | None:
        """Claim a waiting job. Raises TimeoutError."""
        with anyio.fail_after(CLAIM_SECONDS):
            await anyio.sleep(0.1)  # the question travels
            row = next((row for row in self.rows if row.state == "waiting"), None)
            if row is not None:
                row.state, row.token = "running", token
            await anyio.sleep(0.1)  # the answer travels: stopped here, the row is claimed and the worker does not know
            return row

    async def finish(self, row: Row) -> None:
        """Write that a job is done."""
        await anyio.sleep(0.1)
        row.state = "done"

    async def release(self, token: str) -> None:
        """Let others have what was claimed under a token and is not done. Without such a job it does nothing."""
        await anyio.sleep(0.1)
        for row in self.rows:
            if row.state == "running" and row.token == token:
                row.state = "waiting"


async def one_claimed_first(store: Store, token: str) -> bool:
    """Claim a job and do it. Return whether there was one."""
    row = await store.claim(token)
    try:
        return await run(store, row)
    finally:
        await give_back(store, token)


async def one_in_try(store: Store, token: str) -> bool:
    """Claim a job and do it, in one section that has one way out."""
    try:
        row = await store.claim(token)
        return await run(store, row)
    finally:
        await give_back(store, token)


async def run(store: Store, row: Row | None) -> bool:
    """Do what a job asks for. Return whether there was anything to do."""
    if row is None:
        return False
    await anyio.sleep(1)
    await store.finish(row)
    return True


async def give_back(store: Store, token: str) -> None:
    """Whatever this token still holds is others' to do. Not to be stopped, but with an end of its own."""
    with anyio.move_on_after(RELEASE_SECONDS, shield=True):
        await store.release(token)


async def broken() -> None:
    """Workers that claim first."""
    assert_holds(await damaged())


async def guarded() -> None:
    """Workers that claim inside the section."""
    assert_holds(await work(one_in_try))


async def damaged() -> Store:
    """What the workers that claim first leave behind."""
    return await work(one_claimed_first)


async def work(one: Callable[[Store, str], Awaitable[bool]]) -> Store:
    """Let a worker do all jobs; when it ends, or is stopped by a deploy, the next one takes over."""
    store = Store()

    async def serve(worker: str) -> None:
        is_busy, claims = True, 0
        while is_busy:
            claims += 1
            try:
                is_busy = await one(store, f"{worker}, claim {claims}")
            except TimeoutError:
                continue

    for worker in ("worker-1", "worker-2"):
        async with anyio.create_task_group() as group:
            group.start_soon(serve, worker, name=worker)
    return store


def assert_holds(store: Store) -> None:
    """The invariant, now that no worker is left: what is called running is in somebody's hands."""
    stranded = [f"job {row.job} (claimed by {row.token})" for row in store.rows if row.state == "running"]
    assert not stranded, f"a running job is in the hands of a worker that lives: nobody has {', '.join(stranded)}"


async def repair(store: Store) -> None:
    """Free the jobs of tokens whose worker has ended: here, all of them. A new worker does it for the one before."""
    for row in store.rows:
        if row.state == "running":
            await store.release(row.token)
