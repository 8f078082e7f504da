"""FM_025: a handler blocks its process, which sends no sign of life, and is taken for dead while it works.

broken     lays out a catalogue where the heartbeat runs, in the one event loop of its process
guarded    lays it out in a thread, and the heartbeat goes on

A heartbeat says that something lives. If it can be starved by what it speaks for, it says that something is idle.
Two processes are played in one here, so that the event loop of each is a lock: who computes in it has it to himself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio

LEASE_SECONDS = 6.0
BEAT_SECONDS = 2.0
ASK_SECONDS = 1.0
CHANGED, ALL = 2, 9
"""How many pages are to be laid out; it takes a second each."""


@dataclass(slots=True)
class Catalogue:
    """A catalogue that was printed. attempt: the claim that made it."""

    attempt: int
    is_pulped: bool = False


@dataclass(slots=True)
class Store:
    """One job, and the catalogues that were printed. state: waiting, running or done."""

    state: str = "waiting"
    attempt: int = 0
    lease_until: float = 0.0
    printed: list[Catalogue] = field(default_factory=list)

    async def claim(self) -> int | None:
        """Claim the job if it waits, or if no sign of life came for as long as a lease. Return the attempt."""
        await anyio.sleep(0.1)
        now = anyio.current_time()
        if self.state == "waiting" or (self.state == "running" and self.lease_until < now):
            self.state, self.attempt, self.lease_until = "running", self.attempt + 1, now + LEASE_SECONDS
            return self.attempt
        return None

    def beat(self, attempt: int) -> None:
        """A sign of life, if the job still is this attempt's."""
        if self.attempt == attempt:
            self.lease_until = anyio.current_time() + LEASE_SECONDS

    def finish(self, attempt: int) -> None:
        """Print, and write that the job is done."""
        self.printed.append(Catalogue(attempt))
        self.state = "done"


async def lay_out(pages: int) -> None:
    """Compute."""
    await anyio.sleep(pages)


Layout = Callable[[anyio.Lock, int], Awaitable[None]]


async def lay_out_here(loop: anyio.Lock, pages: int) -> None:
    """Compute in the event loop. Nothing else of the process runs meanwhile."""
    async with loop:
        await lay_out(pages)


async def lay_out_in_thread(loop: anyio.Lock, pages: int) -> None:
    """Compute in a thread, which is begun from the event loop and leaves it free."""
    async with loop:
        thread = lay_out(pages)
    await thread


async def changed_pages() -> int:
    """Ask which pages have changed; all of them, if nobody knows."""
    with anyio.move_on_after(ASK_SECONDS):
        await anyio.sleep(0.1)  # the question travels
        await anyio.sleep(0.1)  # so does the answer
        return CHANGED
    return ALL


async def broken() -> None:
    """The handler has the loop."""
    assert_holds(await damaged())


async def guarded() -> None:
    """The loop is free."""
    assert_holds(await work(lay_out_in_thread))


async def damaged() -> Store:
    """What is left where handlers have the loop."""
    return await work(lay_out_here)


async def work(layout: Layout) -> Store:
    """Two worker processes look for the job until it is done. Whoever has it renews its lease beside it."""
    store = Store()

    async def run(loop: anyio.Lock, attempt: int) -> None:
        async def heartbeat() -> None:
            try:
                while True:
                    await anyio.sleep(BEAT_SECONDS)
                    async with loop:
                        store.beat(attempt)
            finally:
                group.cancel_scope.cancel()  # without a heartbeat there is no job

        async with anyio.create_task_group() as group:
            group.start_soon(heartbeat, name="heartbeat")
            await layout(loop, await changed_pages())
            store.finish(attempt)
            group.cancel_scope.cancel()

    async def serve() -> None:
        loop = anyio.Lock()
        while store.state != "done":
            attempt = await store.claim()
            if attempt is None:
                await anyio.sleep(2)
            else:
                await run(loop, attempt)

    async with anyio.create_task_group() as group:
        for worker in ("worker-1", "worker-2"):
            group.start_soon(serve, name=worker)
    return store


def assert_holds(store: Store) -> None:
    """The invariant, by its effect: a job that has one owner at a time is printed once."""
    made_by = [catalogue.attempt for catalogue in store.printed if not catalogue.is_pulped]
    assert len(made_by) <= 1, f"who works is not taken for dead: attempts {made_by} have both printed the catalogue"


async def repair(store: Store) -> None:
    """Pulp all catalogues but that of the attempt that owned the job last."""
    for catalogue in store.printed:
        if catalogue.attempt != store.attempt and not catalogue.is_pulped:
            await anyio.sleep(0.1)  # the printer is told
            catalogue.is_pulped = True
