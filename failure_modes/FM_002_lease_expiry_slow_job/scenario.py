"""FM_002: a job takes longer than its lease, and a second worker begins it while the first one is still at it.

broken     claims once, and trusts that no job takes longer than a lease
guarded    renews the lease every third of it, for as long as the job runs
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio

LEASE_SECONDS = 9.0
SOURCES = ("sales", "stock")
FETCH_SECONDS = 5.0
FETCH_TRIES = 3
PAUSE_SECONDS = 10.0
"""How long a source that did not answer in time is left in peace."""


@dataclass(slots=True)
class Report:
    """A report that went out to all customers. attempt: the claim that made it."""

    attempt: int
    is_withdrawn: bool = False


@dataclass(slots=True)
class Store:
    """One nightly job and what came of it. state: waiting, running or done."""

    state: str = "waiting"
    attempt: int = 0
    lease_until: float = 0.0
    reports: list[Report] = field(default_factory=list)

    async def claim(self) -> int | None:
        """Claim the job if it waits, or if whoever has it let the lease pass. Return the attempt."""
        await anyio.sleep(0.1)
        now = anyio.current_time()
        if self.state == "waiting" or (self.state == "running" and self.lease_until < now):
            self.state, self.attempt, self.lease_until = "running", self.attempt + 1, now + LEASE_SECONDS
            return self.attempt
        return None

    async def renew(self, attempt: int) -> None:
        """Let the lease begin anew, if the job still is this attempt's."""
        await anyio.sleep(0.1)
        if self.attempt == attempt:
            self.lease_until = anyio.current_time() + LEASE_SECONDS

    async def publish(self, attempt: int) -> None:
        """Send the report out and write that the job is done, in one transaction."""
        await anyio.sleep(0.1)
        self.reports.append(Report(attempt))
        self.state = "done"


async def fetch() -> None:
    """Ask a source for its figures, and again after a pause when it does not answer in time."""
    for _ in range(FETCH_TRIES):
        with anyio.move_on_after(FETCH_SECONDS):
            await anyio.sleep(1)  # the question travels
            await anyio.sleep(1)  # so does the answer
            return
        await anyio.sleep(PAUSE_SECONDS)


async def make_report(store: Store, attempt: int) -> None:
    """The job: four seconds as a rule, and nineteen when a source does not answer at first."""
    for _ in SOURCES:
        await fetch()
    await store.publish(attempt)


async def make_report_renewing(store: Store, attempt: int) -> None:
    """The same job beside a task that keeps the lease alive, and without which the job is stopped."""

    async def renewal() -> None:
        try:
            while True:
                await anyio.sleep(LEASE_SECONDS / 3)
                await store.renew(attempt)
        finally:
            group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(renewal, name="renewal")
        await make_report(store, attempt)
        group.cancel_scope.cancel()


async def broken() -> None:
    """Nobody renews."""
    assert_holds(await damaged())


async def guarded() -> None:
    """A task of its own renews."""
    assert_holds(await work(make_report_renewing))


async def damaged() -> Store:
    """What is left where nobody renews."""
    return await work(make_report)


async def work(job: Callable[[Store, int], Awaitable[None]]) -> Store:
    """Two workers look for the job until it is done."""
    store = Store()

    async def serve() -> None:
        while store.state != "done":
            attempt = await store.claim()
            if attempt is None:
                await anyio.sleep(2)
            else:
                await job(store, attempt)

    async with anyio.create_task_group() as group:
        for worker in ("worker-1", "worker-2"):
            group.start_soon(serve, name=worker)
    return store


def assert_holds(store: Store) -> None:
    """The invariant, by its effect: a job that has one owner at a time is done once."""
    made_by = [report.attempt for report in store.reports if not report.is_withdrawn]
    assert len(made_by) <= 1, f"a job has one owner at a time: the report went out from attempts {made_by}"


async def repair(store: Store) -> None:
    """Withdraw all reports but that of the attempt that owned the job last."""
    for report in store.reports:
        if report.attempt != store.attempt and not report.is_withdrawn:
            await anyio.sleep(0.1)  # the customers are told
            report.is_withdrawn = True
