"""Whether claims become slower behind a deep backlog, in µs a job: `python benchmarks/queue.py --depth`.

A store is filled with a backlog of one kind, and then 400 jobs that can be had are put behind it. A turn settles ten
jobs and claims the next ten. Each depth has a store of its own, and all are measured in turn, turn by turn; the median
turn counts, and is compared with that of the smallest depth of the same kind in the same run.
"""

from __future__ import annotations

import statistics
import tempfile
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count, islice
from random import Random
from typing import Final

from msgspec.structs import replace

from aqueue.clock import SystemClock
from aqueue.flow import RetryBudget
from aqueue.lifecycle import Fail, Succeed
from aqueue.store.base import Session
from aqueue.store.limits import Bucket, Pause, TaskRule
from aqueue.store.operations import Claim, ClaimReply, Enqueue, Operation, Settle
from aqueue.store.rows import JobRow, NewJob
from aqueue.store.urls import store_at

__all__ = ["DEPTHS", "depth_table", "postgres_url", "sqlite_url"]

DEPTHS: Final = (100, 10_000, 100_000)
ROOM: Final = 10
TURNS: Final = 40
_HOUR_MS: Final = 3_600_000
_UIDS: Final = count()


@dataclass(frozen=True, slots=True)
class Kind:
    """A backlog. job: the number-th of its jobs.   rules: of the worker's tasks.   before: done before it is there.

    keeps: whether the worker never gets any of it.   budget: for retries.   fails: whether each has failed before.
    """

    title: str
    job: Callable[[int], NewJob]
    rules: Mapping[str, TaskRule]
    before: tuple[Operation[object], ...] = ()
    keeps: bool = True
    budget: Bucket = RetryBudget().bucket
    fails: bool = False


def new(task: str, *, delay_ms: int = 0, priority: int = 0, key: str | None = None) -> NewJob:
    """A job."""
    return NewJob(
        f"{next(_UIDS):032x}", task, b"[[],{}]", 0, delay_ms, max_attempts=5, max_claims=20, max_redrives=3,
        priority=priority, order_key=key,
    )  # fmt: skip


def _of_many(number: int) -> NewJob:
    return new(f"other-{number % 20}", priority=number % 5)


_WORK: Final = {"work": TaskRule()}
_KNOWN: Final = {"work": TaskRule(), **{f"other-{number}": TaskRule() for number in range(20)}}
_LIMITED: Final = {"work": TaskRule(), "limited": TaskRule(max_running=1)}
_ONE_EVER: Final = Bucket(gain=1, cost=10**12, burst=1)
_SLOW: Final = {"work": TaskRule(), "limited": TaskRule(rate=_ONE_EVER)}
KINDS: Final = (
    Kind("ready jobs", lambda _: new("work"), _WORK, keeps=False),
    Kind("ready jobs of 20 tasks and 5 priorities", _of_many, _KNOWN, keeps=False),
    Kind("ready jobs, each with a key", lambda n: new("work", key=f"{n}"), _WORK, keeps=False),
    Kind("delayed jobs", lambda _: new("work", delay_ms=_HOUR_MS), _WORK),
    Kind("delayed jobs of a higher priority", lambda _: new("work", delay_ms=_HOUR_MS, priority=1), _WORK),
    Kind("jobs of a task that the worker does not know", lambda _: new("strange"), _WORK),
    Kind("jobs of a paused task", lambda _: new("limited"), _LIMITED, before=(Pause("task:limited"),)),
    Kind("jobs of a task at its limit", lambda _: new("limited"), _LIMITED),
    Kind("jobs of a task that has spent its rate", lambda _: new("limited"), _SLOW),
    Kind("jobs that failed, without budget for retries", lambda _: new("work"), _WORK, budget=_ONE_EVER, fails=True),
    Kind(
        "jobs of one key, whose first is delayed",
        lambda n: new("work", key="k", delay_ms=0 if n else _HOUR_MS),
        _WORK,
    ),
    Kind(
        "jobs of 100 keys, whose first are delayed",
        lambda n: new("work", key=f"{n % 100}", delay_ms=0 if n >= 100 else _HOUR_MS),
        _WORK,
    ),
)  # fmt: skip


async def depth_table(stores: Mapping[str, Callable[[], str]], depths: Sequence[int], only: str) -> AsyncGenerator[str]:
    """Lines of Markdown, as they are known. stores: by title, what makes the URL of an empty one. only: in the kind."""
    yield f"| store | backlog | {' | '.join(f'{depth:,}' for depth in depths)} | last by first |"
    yield f"|---|---|{'---|' * (len(depths) + 1)}"
    for store, make_url in stores.items():
        for kind in KINDS:
            if only in kind.title:
                spent = await _turns(kind, [make_url() for _ in depths], depths)
                cells = " | ".join(f"{seconds * 1e6:,.0f}" for seconds in spent)
                yield f"| {store} | {kind.title} | {cells} | {spent[-1] / spent[0]:.2f} |"


async def _turns(kind: Kind, urls: Sequence[str], depths: Sequence[int]) -> list[float]:
    """Seconds a job, median of the turns, for each depth."""
    async with AsyncExitStack() as stack:
        sessions = [await stack.enter_async_context(_filled(kind, *each)) for each in zip(urls, depths, strict=True)]
        hands: list[tuple[JobRow, ...]] = [() for _ in sessions]
        spent: list[list[float]] = [[] for _ in sessions]
        for _ in range(TURNS):
            for number, session in enumerate(sessions):
                settled: list[Operation[object]] = [
                    Settle(job.id, "w", Succeed(job.life.attempt), result=b"null") for job in hands[number]
                ]
                begun = time.perf_counter()
                (*_, (reply, error)) = await session.perform_all([*settled, _claim(kind)])
                spent[number].append((time.perf_counter() - begun) / ROOM)
                assert isinstance(reply, ClaimReply), error
                assert len(reply.jobs) == ROOM, (kind.title, len(reply.jobs))
                assert not kind.keeps or all(job.task == "work" and not job.life.failures for job in reply.jobs)
                hands[number] = reply.jobs
        return [statistics.median(each[1:]) for each in spent]


@asynccontextmanager
async def _filled(kind: Kind, url: str, depth: int) -> AsyncGenerator[Session]:
    async with store_at(url, durability="process").open(clock=SystemClock(), random=Random(0)) as session:
        for operation in kind.before:
            await session.perform(operation)
        for jobs in _batches(map(kind.job, range(depth))):
            await session.perform(Enqueue(jobs))
        if kind.fails:
            await _fail_all(session, depth)
            await session.perform(replace(_claim(kind), worker="v", room=1))  # the one retry that the budget has
        if "limited" in kind.rules and not kind.before:  # the one that may run
            await session.perform(Claim("v", "v", 1, _HOUR_MS, rules=kind.rules))
        for jobs in _batches(new("work") for _ in range(ROOM * TURNS)):
            await session.perform(Enqueue(jobs))
        yield session


async def _fail_all(session: Session, depth: int) -> None:
    """Each of so many jobs once; what has failed is due last."""
    for number in range(0, depth, 1000):
        claimed = await session.perform(Claim("v", f"v{number}", min(1000, depth - number), _HOUR_MS))
        assert all(not job.life.failures for job in claimed.jobs)
        fails: list[Operation[object]] = [
            Settle(job.id, "v", Fail(job.life.attempt, run_at=0), error="no") for job in claimed.jobs
        ]
        await session.perform_all(fails)


def _batches(jobs: Iterable[NewJob]) -> Iterable[tuple[NewJob, ...]]:
    jobs = iter(jobs)
    return iter(lambda: tuple(islice(jobs, 1000)), ())


def _claim(kind: Kind) -> Claim:
    return Claim(
        "w", f"{next(_UIDS):032x}", ROOM, 30_000, rules=kind.rules, budget=kind.budget, isolate_after=1,
        only_known=True,
    )  # fmt: skip


def sqlite_url(folder: str) -> str:
    """The URL of a file that is not there yet."""
    return f"sqlite:///{tempfile.mkdtemp(dir=folder)}/jobs.db"


def postgres_url(server: str) -> str:
    """The URL of a database that is empty; it goes with the server."""
    import psycopg

    database = f"bench_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{database}"'.encode())
    return server.rsplit("/", 1)[0] + f"/{database}"
