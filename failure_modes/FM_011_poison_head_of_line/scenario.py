"""FM_011: a job kills the process that does it, the next process claims it first, and nothing behind it is done.

broken     counts failures where they are caught
guarded    counts claims as they are made, and buries a job that has had enough of them

A process that is killed catches nothing. What it was at looks untouched.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import anyio

CHUNKS = 2
IMAGES = 3
CLAIMS_MAX = 3
FAILURES_MAX = 3
SHIFT_SECONDS = 15.0


class Killed(Exception):
    """The kernel ends the process: no code of the worker runs any more."""


@dataclass(slots=True)
class Row:
    """A job: to make an image smaller. state: waiting, done or dead.   claims: how often a worker began it."""

    image: int
    chunks: int
    state: str = "waiting"
    claims: int = 0
    failures: int = 0


@dataclass(slots=True)
class Store:
    """The queue's table, oldest first."""

    rows: list[Row] = field(default_factory=list)


Claim = Callable[[Store], Row | None]


def claim_oldest(store: Store) -> Row | None:
    """The oldest job that waits and has failures left."""
    for row in store.rows:
        if row.state == "waiting" and row.failures < FAILURES_MAX:
            row.claims += 1
            return row
    return None


def claim_bounded(store: Store) -> Row | None:
    """The same, and bury what was claimed too often. The count is in the write that claims."""
    for row in store.rows:
        if row.claims >= CLAIMS_MAX and row.state == "waiting":
            row.state = "dead"
    return claim_oldest(store)


def resize(row: Row) -> None:
    """Make an image smaller. The library reads the size that the header names, also where the file is shorter."""
    if row.chunks == 0:
        raise ValueError("an empty file")
    if row.chunks < CHUNKS:
        raise Killed
    row.state = "done"


async def broken() -> None:
    """Claims are not counted."""
    assert_holds(await damaged())


async def guarded() -> None:
    """They are."""
    assert_holds(await work(claim_bounded))


async def damaged() -> Store:
    """What is left where they are not."""
    return await work(claim_oldest)


async def work(claim: Claim) -> Store:
    """Images are uploaded; a worker makes them smaller, and is started again whenever its process ends."""
    store = Store()
    closing = anyio.current_time() + SHIFT_SECONDS

    async def upload(image: int) -> None:
        received = 0
        try:
            for _ in range(CHUNKS):
                await anyio.sleep(0.2)
                received += 1
        finally:
            store.rows.append(Row(image, received))  # the browser went away: what came is a file all the same

    async def process() -> None:
        while anyio.current_time() < closing:
            await anyio.sleep(0.5)
            row = claim(store)
            if row is None:
                continue
            await anyio.sleep(0.5)
            try:
                resize(row)
            except ValueError:
                row.failures += 1

    async def supervise() -> None:
        while anyio.current_time() < closing:
            try:
                await process()
            except Killed:
                await anyio.sleep(1)

    async with anyio.create_task_group() as group:
        group.start_soon(supervise, name="worker")
        for image in range(IMAGES):
            group.start_soon(upload, image, name=f"upload-{image}")
    return store


def assert_holds(store: Store) -> None:
    """The invariant, which is the detection as well: what still waits was not claimed more often than is allowed."""
    waiting = [row for row in store.rows if row.state == "waiting"]
    above = [f"image {row.image} was claimed {row.claims} times" for row in waiting if row.claims > CLAIMS_MAX]
    assert not above, (
        f"a waiting job was claimed at most {CLAIMS_MAX} times: {', '.join(above)}, {len(waiting) - 1} wait behind it"
    )


async def repair(store: Store) -> None:
    """Bury by hand what was claimed too often. Its file is kept, and who is behind it is next."""
    for row in store.rows:
        await anyio.sleep(0.1)
        if row.state == "waiting" and row.claims > CLAIMS_MAX:
            row.state = "dead"
