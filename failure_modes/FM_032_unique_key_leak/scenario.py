"""FM_032: a job dies and its lock stays, so that no job of that key is accepted any more.

broken     a key is taken while its lock is there
guarded    a key is taken while a job of it lives

A lock beside the job has a life of its own, and it can be the longer one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import anyio

REQUESTS = 3
EVERY_SECONDS = 5.0
SYNC_SECONDS = 2.0
SHIFT_SECONDS = 14.0
LIVE = ("waiting", "running")


@dataclass(slots=True)
class Row:
    """A job: to synchronise a customer. state: waiting, running, done or dead."""

    key: str
    state: str = "waiting"


@dataclass(slots=True)
class Request:
    """Somebody wanted a job. answer: enqueued, joined (one was alive) or refused (none was, and none was made)."""

    key: str
    answer: str


@dataclass(slots=True)
class Store:
    """The queue's table, the locks beside it, and what was answered to whom."""

    rows: list[Row] = field(default_factory=list)
    locks: set[str] = field(default_factory=set)
    requests: list[Request] = field(default_factory=list)

    def is_alive(self, key: str) -> bool:
        """Whether a job of the key waits or runs."""
        return any(row.key == key and row.state in LIVE for row in self.rows)


IsTaken = Callable[[Store, str], bool]


def by_lock(store: Store, key: str) -> bool:
    """Ask the lock."""
    return key in store.locks


def by_job(store: Store, key: str) -> bool:
    """Ask the jobs: UNIQUE (key) WHERE state IN ('waiting', 'running')."""
    return store.is_alive(key)


async def broken() -> None:
    """Unique by lock."""
    assert_holds(await damaged())


async def guarded() -> None:
    """Unique by job."""
    assert_holds(await work(by_job))


async def damaged() -> Store:
    """What is left where jobs are unique by lock."""
    return await work(by_lock)


async def work(is_taken: IsTaken) -> Store:
    """A synchronisation is asked for every five seconds; two workers do what was accepted."""
    store = Store()
    closing = anyio.current_time() + SHIFT_SECONDS

    async def ask() -> None:
        for _ in range(REQUESTS):
            if not is_taken(store, "anna"):
                store.rows.append(Row("anna"))
                store.locks.add("anna")
                answer = "enqueued"
            else:
                answer = "joined" if store.is_alive("anna") else "refused"
            store.requests.append(Request("anna", answer))
            await anyio.sleep(EVERY_SECONDS)

    async def run(row: Row) -> None:
        row.state = "running"
        try:
            with anyio.move_on_after(SYNC_SECONDS):
                await anyio.sleep(0.5)  # the question travels
                await anyio.sleep(0.5)  # so does the answer
                row.state = "done"
                store.locks.discard(row.key)
        finally:
            if row.state == "running":
                row.state = "dead"

    async def serve() -> None:
        while anyio.current_time() < closing:
            await anyio.sleep(1)
            for row in store.rows:
                if row.state == "waiting":
                    await run(row)

    async with anyio.create_task_group() as group:
        group.start_soon(ask, name="clock")
        for worker in ("worker-1", "worker-2"):
            group.start_soon(serve, name=worker)
    return store


def refused(store: Store) -> list[Request]:
    """The detection: requests that were refused although no job of their key was alive."""
    return [request for request in store.requests if request.answer == "refused"]


def assert_holds(store: Store) -> None:
    """The invariant."""
    lived = [row.state for row in store.rows]
    assert not refused(store), (
        f"only a job that lives keeps another from being made: {len(refused(store))} of {len(store.requests)} requests "
        f"were refused for {refused(store)[0].key}, whose jobs are {', '.join(lived)}"
    )


async def repair(store: Store) -> None:
    """Free the locks of keys that have no living job, and make the job that was refused, once per key."""
    for request in refused(store):
        await anyio.sleep(0.1)  # what follows is one transaction
        if not store.is_alive(request.key):
            store.rows.append(Row(request.key))
            store.locks.add(request.key)
        request.answer = "joined"
