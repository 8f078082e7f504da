"""Every await of a day of the queue, on both drivers: claim, run, settle, renew, shutdown, redrive, cron, tx.

Whatever single fault falls on any await of any task, no invariant breaks, no row is written twice, no job is lost.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random
from typing import Any

import anyio
import pytest

import faultloop
from aqueue import (
    AQueueError,
    Breaker,
    Context,
    LoopClock,
    Queue,
    Rate,
    Reject,
    Retry,
    StillBusy,
    StoreUnavailable,
    WorkerStopped,
)

DEPLOYS = 4
MIDNIGHT = 1_777_593_600_000  # 2026-05-01, UTC


@contextmanager
def database() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="explore-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "jobs.db"
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("PRAGMA synchronous=OFF")  # a crash of the machine is not what is tested
            connection.execute("CREATE TABLE receipt(job INTEGER, attempt INTEGER)")
        yield path


def make(path: Path) -> tuple[Queue, Any, Any]:
    clock = LoopClock(epoch_ms=MIDNIGHT + 58_000)  # the first minute is full after two seconds
    q = Queue(f"sqlite:///{path}", durability="process", clock=clock, random=Random(1), poll=3)

    @q.task(retry=Retry(8, base=0.1), concurrency=2, rate=Rate(50, burst=2), breaker=Breaker("bank", failures=4))
    async def pay(ctx: Context) -> None:
        await anyio.sleep(0.02)
        async with ctx.tx() as tx:
            tx.execute("INSERT INTO receipt VALUES(?, ?)", (ctx.job_id, ctx.attempt))

    @q.task(retry=Retry(1))
    async def doomed(ctx: Context) -> None:
        if ctx.attempt == 1:
            raise Reject("not yet")

    @q.cron("* * * * *", catchup="all", name="minutely")
    @q.task(retry=Retry(8, base=0.1))
    async def minutely(ctx: Context) -> None:
        ctx.follow_up(pay.job())

    return q, pay, doomed


async def day() -> None:
    """One day: jobs are enqueued, worked on, redriven; schedules fire; workers come and go."""
    with database() as path:
        q, pay, doomed = make(path)
        async with q:
            jobs = [*await q.enqueue_many([pay.job(), pay.options(key="k").job()]), await doomed.enqueue()]
            for _ in range(DEPLOYS):
                try:
                    async with q.worker(concurrency=3, lease=3, sweep=3):
                        await anyio.sleep(2.5)
                    await jobs[2].redrive()
                    await q.run_until_idle(concurrency=3, limit=600, lease=3)
                    break
                except (WorkerStopped, StillBusy, StoreUnavailable):
                    continue  # a deploy, or a machine that went away
            await jobs[2].redrive()
            await q.run_until_idle(concurrency=3, limit=600, lease=3)
            assert_nothing_broken(path, await q.check(grace=60), [(await job.info()).state for job in jobs])


def assert_nothing_broken(path: Path, violations: tuple[Any, ...], states: list[str]) -> None:
    assert violations == (), violations
    assert states == ["succeeded"] * 3, states
    with closing(sqlite3.connect(path)) as connection:
        twice = connection.execute("SELECT job FROM receipt GROUP BY job HAVING count(*)>1").fetchall()
        (unpaid,) = connection.execute(
            "SELECT count(*) FROM aq_job WHERE task='pay' AND (state='succeeded')<>(id IN(SELECT job FROM receipt))"
        ).fetchone()
        fires, followed = connection.execute(
            "SELECT (SELECT count(*) FROM aq_fire WHERE job_id IS NOT NULL), "
            "(SELECT count(*) FROM aq_job j JOIN aq_fire f "
            "ON f.job_id=j.id WHERE j.state='succeeded')"
        ).fetchone()
        (pays,) = connection.execute("SELECT count(*) FROM aq_job WHERE task='pay'").fetchone()
    assert (twice, unpaid) == ([], 0), "writes of a handler happen once, with its success"
    assert fires == followed >= 1
    assert pays == 2 + followed, "each success of a fired job enqueued its follow-up, once"


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_without_a_fault_the_day_ends_well(backend: Any):
    assert faultloop.run(day, driver=backend).status == "passed"


TASKS = ("*.job*", "*.cron", "*.renew", "*.leases", "*.sweep", "worker-?", "store.flush", "day")
# All tasks on asyncio; on trio those whose cancellation differs most.
SWEEPS = [*(("asyncio", tasks) for tasks in TASKS), *(("trio", tasks) for tasks in ("*.job*", "*.cron", "worker-?"))]


@pytest.mark.parametrize(("driver", "tasks"), SWEEPS)
def test_no_single_cancel_at_any_await_breaks_an_invariant(driver: Any, tasks: str):
    found = faultloop.explore(day, strategy="sweep", driver=driver, tasks=tasks)
    assert [failure.fault for failure in found.failures] == []
    assert found.status == "passed"
    assert found.tried >= 20


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_no_error_and_no_delay_in_a_handler_breaks_an_invariant(driver: Any):
    found = faultloop.explore(
        day, faults=["fail:ConnectionError", "delay:30s"], tasks="*.job*", strategy="sweep", driver=driver
    )
    assert [failure.fault for failure in found.failures] == []
    assert found.tried > 20


def test_the_day_can_fail():
    """Writes outside tx() are what the sweep finds: without this, quiet sweeps would prove nothing."""

    async def careless() -> None:
        with database() as path:
            q, pay, _ = make(path)

            async def hasty(ctx: Context) -> None:
                with closing(sqlite3.connect(path)) as connection, connection:
                    connection.execute("INSERT INTO receipt VALUES(?, ?)", (ctx.job_id, ctx.attempt))
                await anyio.sleep(0.02)

            pay.handler = hasty
            async with q:
                job = await pay.enqueue()
                for _ in range(DEPLOYS):
                    try:
                        await q.run_until_idle(limit=600, lease=3)
                        break
                    except (WorkerStopped, StillBusy, AQueueError):
                        continue
                assert (await job.info()).state == "succeeded"
            with closing(sqlite3.connect(path)) as connection:
                assert connection.execute("SELECT count(*) FROM receipt").fetchone() == (1,)

    found = faultloop.explore(careless, tasks="*.job*", strategy="sweep")
    assert found.status == "violated"
