"""Where the CPU of a job goes: its parts, each measured alone, beside the straw-man's SQL as the floor.

What it does not show: what the parts cost each other (caches, the lock of the interpreter), and what is between them.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import closing
from itertools import count
from typing import Any, Final

import anyio
from anyio.lowlevel import checkpoint
from anyio.to_thread import run_sync

from aqueue.codec import checksum, encode_call
from aqueue.flow import RetryBudget
from aqueue.lifecycle import Succeed
from aqueue.store.limits import TaskRule
from aqueue.store.operations import Claim, ClaimReply, Enqueue, Operation, Settle
from aqueue.store.rows import JobRow, NewJob
from aqueue.store.sqlite.store import commit_batch, connect_file
from benchmarks.queues.contender import CONCURRENCY
from benchmarks.queues.ours import SqlOnly

__all__ = ["parts"]

JOBS: Final = 3000
TIMES: Final = 5


def parts() -> str:
    """The parts as Markdown: the best of several rounds, in turn."""
    found: dict[str, float] = {}
    for _ in range(TIMES):
        for name, measure in _PARTS.items():
            found[name] = min(found.get(name, 1e9), anyio.run(measure) * 1e6)
    lines = ["| part | CPU µs a job |", "|---|---|", *(f"| {name} | {spent:.1f} |" for name, spent in found.items())]
    return "\n".join(lines)


async def _straw_man() -> float:
    """The SQL of the straw-man alone: one statement settles a job, one claims ten, two write their lines of the log."""
    with tempfile.TemporaryDirectory() as folder, closing(connect_file(f"{folder}/jobs.db", "NORMAL")) as connection:
        sql, now = SqlOnly(connection), _now()
        connection.execute("BEGIN")
        for number in range(JOBS):
            sql.insert(f"uid-{number:028}", b"[1,0.0]", now)
        connection.execute("COMMIT")
        begun, left, acks = time.thread_time(), JOBS, list[tuple[int, int]]()
        while left:
            connection.execute("BEGIN IMMEDIATE")
            rows = sql.settle_and_claim(acks, CONCURRENCY, now + 1)
            connection.execute("COMMIT")
            acks = [(job_id, attempt) for job_id, attempt, _ in rows]
            left -= len(rows)
        return (time.thread_time() - begun) / JOBS


async def _store() -> float:
    """aqueue's store alone: the turns of a worker, as operations, without a loop or a thread between."""
    with tempfile.TemporaryDirectory() as folder, closing(connect_file(f"{folder}/jobs.db", "NORMAL")) as connection:
        payload, now = encode_call((1, 0.0), {}, task="noop"), _now()
        news = (NewJob(f"{n:032x}", "noop", payload, checksum(payload), 0, 5, 25, 3) for n in range(JOBS))
        commit_batch(connection, [Enqueue(tuple(news))], now)
        begun, left, jobs = time.thread_time(), JOBS, tuple[JobRow, ...]()
        for number in count():
            turn: list[Operation[Any]] = [
                Settle(job.id, "w:1", Succeed(job.life.attempt), result=b"null") for job in jobs
            ]
            reply, _ = commit_batch(connection, [*turn, _claim(number)], now + 1)[-1]
            assert isinstance(reply, ClaimReply)
            jobs, left = reply.jobs, left - len(reply.jobs)
            if not left:
                break
        return (time.thread_time() - begun) / JOBS


def _claim(number: int) -> Claim:
    rules, budget = {"noop": TaskRule()}, RetryBudget().bucket
    return Claim("w:1", f"{number:032x}", CONCURRENCY, 30_000, rules=rules, budget=budget, isolate_after=1)


async def _thread() -> float:
    """One call in a thread for ten jobs."""
    limiter = anyio.CapacityLimiter(1)
    begun = time.process_time()
    for _ in range(JOBS // CONCURRENCY):
        await run_sync(_now, limiter=limiter)
    return (time.process_time() - begun) / JOBS


async def _task() -> float:
    """A task of a task group that does nothing, ten at a time."""
    return await _in_tasks(_nothing, ())


async def _task_with_scope() -> float:
    """The same, inside a cancel scope of its own with a deadline, which is what an attempt at least has."""
    return await _in_tasks(_scoped, (anyio.current_time() + 30,))


async def _in_tasks(call: Callable[..., Coroutine[Any, Any, None]], args: Sequence[object]) -> float:
    begun = time.process_time()
    async with anyio.create_task_group() as tasks:
        for _ in range(JOBS // CONCURRENCY):
            for _ in range(CONCURRENCY):
                tasks.start_soon(call, *args)
            await checkpoint()
            await checkpoint()
    return (time.process_time() - begun) / JOBS


async def _nothing() -> None:
    pass


async def _scoped(deadline: float) -> None:
    with anyio.CancelScope(deadline=deadline):  # noqa: ASYNC100 - what it costs is the question
        pass


def _now() -> int:
    return time.time_ns() // 1_000_000


_PARTS: Final = {
    "the straw-man's SQL, in turns of ten": _straw_man,
    "aqueue's store, in turns of ten": _store,
    "a call in a thread, one for ten": _thread,
    "an anyio task": _task,
    "an anyio task with a cancel scope": _task_with_scope,
}
