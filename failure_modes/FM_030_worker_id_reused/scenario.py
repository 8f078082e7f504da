"""FM_030: a pod dies, is started again under its name, and its heartbeat keeps the dead one's job alive for ever.

broken     a worker's name is its pod's
guarded    a worker's name is new with each start

The lease was meant to pass when its owner dies. Its owner is a name, and the name lives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

import anyio

LEASE_SECONDS = 5.0
RESTART_SECONDS = 1.0
JOB_STEPS = 3
JOBS = 3
SHIFT_SECONDS = 20.0


@dataclass(slots=True)
class Row:
    """A job. state: waiting, running or done.   worker: by whose name it is held.   pod: where."""

    state: str = "waiting"
    worker: str = ""
    pod: str = ""
    claimed_at: float = 0.0
    lease_until: float = 0.0


@dataclass(slots=True)
class Store:
    """The queue's table, and when each pod was started last. seen_at: when somebody looked at it last."""

    rows: list[Row] = field(default_factory=lambda: [Row() for _ in range(JOBS)])
    started_at: dict[str, float] = field(default_factory=dict)
    seen_at: float = 0.0

    def claim(self, worker: str, pod: str) -> Row | None:
        """The first job that waits, or whose lease has passed."""
        now = anyio.current_time()
        for row in self.rows:
            if row.state == "waiting" or (row.state == "running" and row.lease_until < now):
                row.state, row.worker, row.pod, row.claimed_at = "running", worker, pod, now
                row.lease_until = now + LEASE_SECONDS
                return row
        return None

    def beat(self, worker: str) -> None:
        """A sign of life: all jobs of a worker are kept, in one statement."""
        for row in self.rows:
            if row.state == "running" and row.worker == worker:
                row.lease_until = anyio.current_time() + LEASE_SECONDS


Naming = Callable[[str, int], str]


def by_pod(pod: str, _start: int) -> str:
    """The name that the platform gives."""
    return pod


def by_start(pod: str, start: int) -> str:
    """A name of this one process."""
    return f"{pod}/{start}"


async def broken() -> None:
    """Named by pod."""
    assert_holds(await damaged())


async def guarded() -> None:
    """Named by start."""
    assert_holds(await work(by_start))


async def damaged() -> Store:
    """What is left where workers are named by pod."""
    return await work(by_pod)


async def work(naming: Naming) -> Store:
    """Two pods for a shift. What dies in one is started again, a second later."""
    store = Store()
    closing = anyio.current_time() + SHIFT_SECONDS

    async def serve(worker: str, pod: str) -> None:
        while anyio.current_time() < closing:
            await anyio.sleep(1)
            store.beat(worker)
            row = store.claim(worker, pod)
            if row is None:
                continue
            for _ in range(JOB_STEPS):
                await anyio.sleep(1)
                store.beat(worker)
            row.state = "done"

    async def keep_up(pod: str) -> None:
        for start in count(1):
            store.started_at[pod] = anyio.current_time()
            async with anyio.create_task_group() as process:
                process.start_soon(serve, naming(pod, start), pod, name="worker")
            if anyio.current_time() >= closing:
                return
            await anyio.sleep(RESTART_SECONDS)

    async with anyio.create_task_group() as group:
        for pod in ("pod-1", "pod-2"):
            group.start_soon(keep_up, pod, name=pod)
    store.seen_at = anyio.current_time()
    return store


def revived(store: Store) -> list[Row]:
    """The detection: running jobs that were claimed before their pod's last start, and are kept long after it."""
    return [
        row
        for row in store.rows
        if row.state == "running"
        and row.claimed_at < store.started_at[row.pod] < store.seen_at - LEASE_SECONDS - 1
        and row.lease_until >= store.seen_at
    ]


def assert_holds(store: Store) -> None:
    """The invariant."""
    told = [f"claimed {store.started_at[row.pod] - row.claimed_at:.0f} s before the start" for row in revived(store)]
    assert not told, (
        f"a lease passes when its owner dies: {', '.join(told)} of {revived(store)[0].pod}, "
        f"a job is kept alive {store.seen_at - store.started_at[revived(store)[0].pod]:.0f} s later"
    )


async def repair(store: Store) -> None:
    """Let go of what was claimed before its pod's last start."""
    for row in store.rows:
        await anyio.sleep(0.1)
        if row.state == "running" and row.claimed_at < store.started_at[row.pod]:
            row.state = "waiting"
