"""FM_026: a sweep looks for stuck jobs, and by the time it writes, one of them has been done.

broken     frees what was stuck when it looked
guarded    frees what is stuck when it writes

Recovery runs beside the system that it recovers. Two sweeps, or a sweep and a worker, are two writers like any others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import anyio

LEASE_SECONDS = 7.0
ASK_SECONDS = 5.0
PAUSE_SECONDS = 1.5
SWEEP_SECONDS = 2.0
BATCH_SECONDS = 1.0
SHIFT_SECONDS = 16.0


@dataclass(slots=True)
class Row:
    """A job. state: waiting, running or done.   failures: tries lost.   events: its history, (what, attempt)."""

    state: str = "waiting"
    attempt: int = 0
    failures: int = 0
    lease_until: float = 0.0
    events: list[tuple[str, int]] = field(default_factory=list)

    def is_stuck(self) -> bool:
        """Whether its worker let the lease pass."""
        return self.state == "running" and self.lease_until < anyio.current_time()

    def claim(self) -> int:
        """Begin an attempt, and return its number."""
        self.state, self.attempt, self.lease_until = "running", self.attempt + 1, anyio.current_time() + LEASE_SECONDS
        self.events.append(("claimed", self.attempt))
        return self.attempt

    def succeed(self, attempt: int) -> None:
        """End an attempt, if it is still the one that runs."""
        if self.state == "running" and self.attempt == attempt:
            self.state = "done"
            self.events.append(("succeeded", attempt))

    def free(self) -> None:
        """Let it be claimed again, and count a failure."""
        self.state, self.failures = "waiting", self.failures + 1
        self.events.append(("rescued", self.attempt))


Rescue = Callable[[Row], None]


def free_as_seen(row: Row) -> None:
    """Free a job that was seen stuck."""
    row.free()


def free_if_stuck(row: Row) -> None:
    """Free a job if it is stuck: the condition is part of the write."""
    if row.is_stuck():
        row.free()


async def broken() -> None:
    """Freed as seen."""
    assert_holds(await damaged())


async def guarded() -> None:
    """Freed if stuck."""
    assert_holds(await work(free_if_stuck))


async def damaged() -> Row:
    """What is left where jobs are freed as seen."""
    return await work(free_as_seen)


async def work(rescue: Rescue) -> Row:
    """A worker and a job that takes two seconds, or nine if it has to ask twice; two sweeps look for stuck jobs."""
    row = Row()
    closing = anyio.current_time() + SHIFT_SECONDS

    async def ask() -> None:
        for _ in range(2):
            with anyio.move_on_after(ASK_SECONDS):
                await anyio.sleep(1)  # the question travels
                await anyio.sleep(1)  # so does the answer
                return
            await anyio.sleep(PAUSE_SECONDS)

    async def serve() -> None:
        while anyio.current_time() < closing:
            await anyio.sleep(0.1)
            if row.state == "waiting":
                attempt = row.claim()
                await ask()
                row.succeed(attempt)
            else:
                await anyio.sleep(1)

    async def sweep(offset: float) -> None:
        await anyio.sleep(offset)
        while anyio.current_time() < closing:
            await anyio.sleep(SWEEP_SECONDS)
            if row.is_stuck():
                await anyio.sleep(BATCH_SECONDS)  # the others of the batch are looked at, and come first
                rescue(row)

    async with anyio.create_task_group() as group:
        group.start_soon(serve, name="worker")
        group.start_soon(sweep, 0.0, name="sweep-1")
        group.start_soon(sweep, 0.5, name="sweep-2")
    return row


def folded(events: list[tuple[str, int]]) -> tuple[str, int]:
    """State and failures by the history. An attempt is settled once, by who comes first; nothing follows success."""
    state, failures = "waiting", 0
    for what, _ in events:
        match what:
            case "claimed" if state == "waiting":
                state = "running"
            case "succeeded" if state == "running":
                state = "done"
            case "rescued" if state == "running":
                state, failures = "waiting", failures + 1
            case _:
                pass  # it came too late
    return state, failures


def assert_holds(row: Row) -> None:
    """The invariant, which is the detection as well: a job is what its history adds up to."""
    told = " → ".join(f"{what} {attempt}" for what, attempt in row.events)
    assert (row.state, row.failures) == folded(row.events), (
        f"recovery changes only what is stuck: {told}; the job is {row.state} with {row.failures} failures, "
        f"by its history it is {' with '.join(map(str, folded(row.events)))}"
    )


async def repair(row: Row) -> None:
    """Make the job what its history adds up to."""
    await anyio.sleep(0.1)
    row.state, row.failures = folded(row.events)
