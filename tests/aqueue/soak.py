"""A day of a queue in virtual time: worker processes that crash, clocks that jump, a store that fails, busy users.

    python -m tests.aqueue.soak [--seeds 100] [--first 0] [--driver asyncio|trio] [--hours 24]

Each seed is another day: 24 hours of schedules, jobs that fail, that are slow, that are rejected, cancelled and sent
round again. Every hour all safety invariants are asked of the stored rows. When the faults end, everything must come to
its end, the liveness invariants must hold too, and each success must have written its receipt once.
"""

from __future__ import annotations

import argparse
import logging
import random
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import anyio

import faultloop
from aqueue import Context, Queue, Reject, Retry, Snooze
from aqueue.store.operations import Operation
from aqueue.store.sqlite.store import SqliteStore
from faultloop import world
from tests.aqueue.support import FaultyStore

HOUR = 3600.0
HOURS = 24  # of a day, if nothing else is said
LEASE = 300.0
POLL = 120.0
NODES = ("worker-1", "worker-2")
LIMITS = faultloop.Limits(steps=20_000_000, virtual_seconds=10 * 24 * HOUR, wall_seconds=300, events=1_000)
# Waiting ends at the next hint, a poll later at the most; a job that is lost waits for its lease and two sweeps.
GRACE = LEASE + 3 * POLL


@dataclass(eq=False)
class Weather:
    """What goes wrong, and how often it did. is_careless: the handler writes its receipt by itself, outside of tx()."""

    random: Random
    hours: int = HOURS
    is_careless: bool = False
    is_bad: bool = True
    store_errors: int = 0
    jumps: int = 0
    crashes: int = 0
    hours_checked: int = 0
    clock_errors: dict[str, int] = field(default_factory=lambda: dict.fromkeys(NODES, 0))
    ended: dict[str, int] = field(default_factory=dict[str, int])

    def fault(self, operation: Operation[Any]) -> str | None:
        """One operation in fifty is lost, or its reply is."""
        if not self.is_bad or self.random.random() > 0.02:
            return None
        self.store_errors += 1
        return self.random.choice(["lose", "lose reply"])


def make(store: Any, path: str, weather: Weather) -> tuple[Queue, dict[str, Any]]:
    """One process's view of the queue."""
    q = Queue(store, random=Random(random.getrandbits(64)), poll=POLL)

    @q.task(retry=Retry(8, base=5, cap=600), concurrency=3)
    async def pay(ctx: Context) -> None:
        await anyio.sleep(random.uniform(0, 20))
        if random.random() < 0.3:
            raise OSError("the bank is closed")
        if weather.is_careless:
            with closing(sqlite3.connect(path)) as connection, connection:
                connection.execute("INSERT INTO receipt VALUES(?, ?)", (ctx.job_id, ctx.attempt))
            await anyio.sleep(2 * LEASE)
            return
        async with ctx.tx() as tx:
            tx.execute("INSERT INTO receipt VALUES(?, ?)", (ctx.job_id, ctx.attempt))

    @q.task(retry=Retry(3, base=60), timeout=5 * LEASE)
    async def slow(ctx: Context) -> None:
        await anyio.sleep(random.uniform(0, 4 * LEASE))
        ctx.follow_up(pay.job())

    @q.task(retry=Retry(2, base=10, redrives=2))
    async def doomed() -> None:
        await anyio.sleep(1)
        if random.random() < 0.2:
            raise Snooze(HOUR)
        if random.random() < 0.7:
            raise Reject("not today")

    @q.cron("*/20 * * * *", catchup="last", name="report")
    @q.task(retry=Retry(4, base=30), timeout=600)
    async def report(ctx: Context) -> None:
        await anyio.sleep(random.uniform(0, 60))
        ctx.follow_up(pay.job())

    return q, {"pay": pay, "slow": slow, "doomed": doomed}


async def work(path: str, weather: Weather) -> None:
    """A worker process, for as long as its node is up."""
    q, _ = make(FaultyStore(SqliteStore(path, durability="process"), weather.fault), path, weather)
    async with q, q.worker(concurrency=3, lease=LEASE, sweep=POLL):
        await anyio.sleep_forever()


async def keep_using(q: Queue, tasks: dict[str, Any], weather: Weather) -> None:
    """Users: they enqueue, cancel and redrive, at any moment of the day."""
    users = weather.random
    until = anyio.current_time() + weather.hours * HOUR
    while anyio.current_time() < until:
        await anyio.sleep(users.expovariate(1 / 900))
        options: dict[str, Any] = {"delay": users.choice([0, 0, 1800]), "key": users.choice([None, None, "k"])}
        job = await tasks[users.choice(["pay", "pay", "slow", "doomed"])].options(**options).enqueue()
        if users.random() < 0.15:
            await anyio.sleep(users.uniform(0, 2 * POLL))
            await job.cancel()
        for dead in await q.dead(limit=2):
            if users.random() < 0.3:
                await q.job(dead.id).redrive()


async def keep_breaking(weather: Weather) -> None:
    """Processes vanish and come back, stand still, and find their wall clock changed."""
    while weather.is_bad:
        await anyio.sleep(weather.random.expovariate(1 / 1200))
        node = world.node(weather.random.choice(NODES))
        match weather.random.randrange(4):
            case 0 | 1 if node.is_up:
                weather.crashes += 1
                node.crash()
                node.restart(after=weather.random.uniform(1, HOUR))
            case 2:
                weather.jumps += 1
                seconds = weather.random.choice([-900, -30, 30, 900])
                weather.clock_errors[node.name] += seconds
                node.jump(seconds)
            case _:
                node.pause()
                await anyio.sleep(weather.random.uniform(1, 2 * LEASE))
                node.resume()


async def keep_checking(q: Queue, weather: Weather) -> None:
    """Every hour: nothing is broken."""
    while True:
        await anyio.sleep(HOUR)
        broken = await q.check()
        assert broken == (), broken
        weather.hours_checked += 1


async def spend_day(weather: Weather) -> None:
    """The day, and its end."""
    with tempfile.TemporaryDirectory(prefix="soak-", ignore_cleanup_errors=True) as folder:
        path = str(Path(folder) / "jobs.db")
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("CREATE TABLE receipt(job INTEGER, attempt INTEGER)")
        q, tasks = make(SqliteStore(path, durability="process"), path, weather)
        async with q, anyio.create_task_group() as group:
            for name in NODES:
                world.node(name).start(work, path, weather)
            group.start_soon(keep_breaking, weather)
            group.start_soon(keep_checking, q, weather)
            await keep_using(q, tasks, weather)
            group.cancel_scope.cancel()
        weather.is_bad = False
        async with q:
            await end_day(q, path, weather)


async def until_ended(q: Queue) -> None:
    """Wait until no job is live."""
    counts = await q.counts()
    while counts.get("pending") or counts.get("running"):
        await anyio.sleep(POLL)  # other processes end the jobs, and they send no hints
        counts = await q.counts()


async def end_day(q: Queue, path: str, weather: Weather) -> None:
    """Faults are over: what is left comes to its end."""
    for name in NODES:
        node = world.node(name)
        node.resume()
        if not node.is_up:
            node.restart()
        node.jump(-weather.clock_errors[name])
    await anyio.sleep(HOUR)  # a restart that was asked for may be as late as that, and declares the schedule again
    await q.unschedule("report")
    with anyio.move_on_after(HOURS * HOUR):
        await until_ended(q)
    weather.ended = {str(state): count for state, count in (await q.counts()).items()}
    left = weather.ended.get("pending", 0) + weather.ended.get("running", 0)
    assert not left, f"{left} jobs never ended: {weather.ended}"
    await anyio.sleep(GRACE)
    broken = await q.check(grace=GRACE)
    assert broken == (), broken
    for name in NODES:
        world.node(name).crash()
    with closing(sqlite3.connect(path)) as connection:
        twice = connection.execute("SELECT job FROM receipt GROUP BY job HAVING count(*)>1").fetchall()
        (unlike,) = connection.execute(
            "SELECT count(*) FROM aq_job WHERE task='pay' AND (state='succeeded')<>(id IN(SELECT job FROM receipt))"
        ).fetchone()
    assert (twice, unlike) == ([], 0), "each success wrote its receipt once, and nothing else did"


def soak(
    seed: int, *, driver: str = "asyncio", hours: int = HOURS, is_careless: bool = False
) -> tuple[faultloop.Run, Weather]:
    """One day."""
    weather = Weather(Random(seed), hours, is_careless)

    async def day() -> None:
        await spend_day(weather)

    return faultloop.run(day, seed=seed, driver=driver, limits=LIMITS), weather


def main() -> None:
    """Spend as many days as asked for, and say how they went."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--driver", default="asyncio")
    parser.add_argument("--hours", type=int, default=HOURS)
    chosen = parser.parse_args()
    logging.disable(logging.CRITICAL)
    failed: list[int] = []
    for seed in range(chosen.first, chosen.first + chosen.seeds):
        begun = time.perf_counter()
        run, weather = soak(seed, driver=chosen.driver, hours=chosen.hours)
        if run.status != "passed":
            failed.append(seed)
        took = time.perf_counter() - begun
        why = "" if run.status == "passed" else f": {run.trace.outcome.message}"
        print(
            f"seed {seed}: {run.status} in {took:.1f} s; {weather.ended}, {weather.crashes} crashes, "
            f"{weather.store_errors} store errors, {weather.jumps} jumps, {weather.hours_checked} checks{why}",
            flush=True,
        )
    print(f"{chosen.seeds - len(failed)} of {chosen.seeds} days were clean; failed: {failed}")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
