"""FM_005: a job is booked as succeeded, its time-out fires before the answer is back, and it is booked as failed too.

broken     books what it is told, and the last word wins
guarded    books the first word on each attempt, and drops what comes later
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import anyio

JOBS = 2
JOB_SECONDS = 10.0
ATTEMPTS_MAX = 3


@dataclass(slots=True)
class Row:
    """A job. state: waiting, running or succeeded.   attempt: how often it was claimed."""

    state: str = "waiting"
    attempt: int = 0


@dataclass(slots=True)
class Settlement:
    """What was booked about one attempt of one job. is_late: it came after another one, and counts for nothing."""

    job: int
    attempt: int
    outcome: str
    is_late: bool = False


@dataclass(slots=True)
class Store:
    """The queue's tables: the jobs, and their history."""

    rows: dict[int, Row] = field(default_factory=lambda: {job: Row() for job in range(JOBS)})
    history: list[Settlement] = field(default_factory=list)

    async def claim(self) -> int | None:
        """Claim a job that waits."""
        await anyio.sleep(0.1)
        for job, row in self.rows.items():
            if row.state == "waiting" and row.attempt < ATTEMPTS_MAX:
                row.state, row.attempt = "running", row.attempt + 1
                return job
        return None

    def settle_last(self, job: int, attempt: int, outcome: str) -> None:
        """Book an outcome."""
        self.history.append(Settlement(job, attempt, outcome))
        self.rows[job].state = "waiting" if outcome == "failed" else outcome

    def settle_first(self, job: int, attempt: int, outcome: str) -> None:
        """Book an outcome, if this attempt is the one that runs. In SQL: … AND state = 'running' AND attempt = ?"""
        row = self.rows[job]
        if row.state != "running" or row.attempt != attempt:
            return
        self.settle_last(job, attempt, outcome)


Settle = Callable[[Store, int, int, str], None]


async def tell(store: Store, settle: Settle, job: int, attempt: int, outcome: str) -> None:
    """Tell the store what came of an attempt."""
    await anyio.sleep(0.1)  # the question travels
    settle(store, job, attempt, outcome)
    await anyio.sleep(0.1)  # the answer travels: stopped here, the outcome is booked and the worker does not know


async def broken() -> None:
    """The last word wins."""
    assert_holds(await damaged())


async def guarded() -> None:
    """The first word wins."""
    assert_holds(await work(Store.settle_first))


async def damaged() -> Store:
    """What is left where the last word wins."""
    return await work(Store.settle_last)


async def work(settle: Settle) -> Store:
    """Let a worker do all jobs, each with a time-out and some attempts."""
    store = Store()

    async def serve() -> None:
        while (job := await store.claim()) is not None:
            attempt = store.rows[job].attempt
            try:
                with anyio.fail_after(JOB_SECONDS):
                    await anyio.sleep(1)
                    await tell(store, settle, job, attempt, "succeeded")
            except TimeoutError:
                await tell(store, settle, job, attempt, "failed")

    async with anyio.create_task_group() as group:
        group.start_soon(serve, name="worker-1")
    return store


def assert_holds(store: Store) -> None:
    """The invariant, which is the detection as well: an attempt has one outcome."""
    said = Counter((word.job, word.attempt) for word in store.history if not word.is_late)
    twice = [
        f"attempt {attempt} of job {job} {' and '.join(_outcomes(store, job, attempt))}"
        for (job, attempt), times in sorted(said.items())
        if times > 1
    ]
    assert not twice, f"each attempt is settled at most once: {', '.join(twice)}"


def _outcomes(store: Store, job: int, attempt: int) -> list[str]:
    return [word.outcome for word in store.history if (word.job, word.attempt) == (job, attempt)]


async def repair(store: Store) -> None:
    """Keep the first word on each attempt and mark the others late; a job that succeeded once is not tried again."""
    for job, row in store.rows.items():
        await anyio.sleep(0.1)  # the history of one job is read, and what follows is one transaction
        settled: set[int] = set()
        for word in store.history:
            if word.job == job:
                word.is_late = word.attempt in settled
                settled.add(word.attempt)
        if any(word.job == job and word.outcome == "succeeded" and not word.is_late for word in store.history):
            row.state = "succeeded"
