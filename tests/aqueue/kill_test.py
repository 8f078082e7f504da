"""aqueue is killed again and again, and every job ends with its effect exactly once.

    python tests/aqueue/kill_test.py --rounds 200 --jobs 20000 --store sqlite
    python tests/aqueue/kill_test.py --rounds 200 --jobs 20000 --store postgres --url postgresql://…

Three worker processes run jobs; at a random moment of each round one, two or all of them get SIGKILL, and others take
their place. Half of the jobs write their effect with ctx.tx(), in the transaction of their success; the other half, in
a transaction of their own, under ctx.once(), with the job's key as idempotency key. Jobs fail now and then, and some
have an order key. At the end, all of it is looked up in the database.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import multiprocessing
import os
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from random import Random
from typing import Any

import anyio

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from aqueue import Context, Queue, Retry, Violation  # noqa: E402 - also run as a script

WORKERS = 3
LEASE_SECONDS = 2.0
# Each (key, attempt) that had an effect: written again, it would be here twice.
TABLE = "CREATE TABLE effect_seen(key TEXT NOT NULL, attempt INTEGER NOT NULL)"
KEPT = "CREATE TABLE honoured(key TEXT PRIMARY KEY)"  # what a receiver keeps that honours idempotency keys


def make(url: str, seed: int) -> tuple[Queue, Any, Any]:
    """The queue of every process, with its two tasks."""
    q = Queue(url, durability="process", random=Random(seed), poll=0.1, retry_budget=None)
    retry = Retry(20, base=0.01, cap=0.1)
    insert = f"INSERT INTO effect_seen VALUES({placeholders(url)})"

    @q.task(retry=retry)
    async def together(ctx: Context, key: str) -> None:
        await stumble(q, ctx)
        async with ctx.tx() as tx:
            tx.execute(insert, (key, ctx.attempt))

    @q.task(retry=retry)
    async def elsewhere(ctx: Context, key: str) -> None:
        await stumble(q, ctx)
        async with ctx.once(key) as effect:
            if effect.fresh or effect.ambiguous:
                effect.result = await anyio.to_thread.run_sync(receive, url, effect.key, ctx.attempt)

    return q, together, elsewhere


async def stumble(q: Queue, ctx: Context) -> None:
    """Take some time, so that a kill finds jobs in every state of theirs, and fail in one try of twenty."""
    chance = Random(f"{ctx.job_id}:{ctx.attempt}").random()
    await anyio.sleep(chance * 0.2)
    if chance < 0.05:
        raise OSError("this try fails")


def placeholders(url: str) -> str:
    return "?, ?" if url.startswith("sqlite") else "%s, %s"


@contextlib.contextmanager
def connected(url: str) -> Iterator[Any]:
    """A connection of the user's own."""
    if url.startswith("sqlite"):
        connection: Any = sqlite3.connect(url.removeprefix("sqlite:///"), timeout=60)
    else:
        import psycopg

        connection = psycopg.connect(url)
    with contextlib.closing(connection), connection:
        yield connection


def receive(url: str, key: str, attempt: int) -> str:
    """A receiver that honours idempotency keys: the effect and its key are one transaction of its own."""
    two, one = placeholders(url), placeholders(url).split(",")[0]
    with connected(url) as connection:
        if connection.execute(f"INSERT INTO honoured VALUES({one}) ON CONFLICT DO NOTHING", (key,)).rowcount:
            connection.execute(f"INSERT INTO effect_seen VALUES({two})", (key, attempt))
    return key


async def work(url: str, seed: int) -> None:
    """What a worker process does until it is killed."""
    q, _, _ = make(url, seed)
    async with q, q.worker(concurrency=10, lease=LEASE_SECONDS, sweep=0.5):
        await anyio.sleep_forever()


def work_until_killed(url: str, seed: int) -> None:
    """What a worker process does. It does not outlive the process that started it, were that killed as well."""
    logging.disable()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    anyio.run(work, url, seed)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def start_worker(url: str, seed: int) -> BaseProcess:
    """A process that has imported everything already: it is in the middle of its work within milliseconds."""
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["tests.aqueue.kill_test", "aqueue.store.postgres"])
    worker = processes.Process(target=work_until_killed, args=(url, seed), daemon=True)
    worker.start()
    return worker


def kill(worker: BaseProcess) -> None:
    assert worker.is_alive(), "a worker ended by itself"
    worker.kill()
    worker.join()


@dataclass(frozen=True, slots=True)
class Found:
    """What is in the database when all jobs have ended."""

    jobs: int
    kills: int
    seconds: float
    rescued: int
    states: dict[str, int]
    effects: int
    twice: int
    missing: int
    violations: tuple[Violation, ...]

    @property
    def is_clean(self) -> bool:
        return (self.states, self.effects, self.twice, self.missing, self.violations) == (
            {"succeeded": self.jobs}, self.jobs, 0, 0, (),
        )  # fmt: skip


def set_up(url: str) -> None:
    """Make the tables of the user."""
    with connected(url) as connection:
        connection.execute(TABLE)
        connection.execute(KEPT)


async def kill_rounds(url: str, *, rounds: int, jobs: int, random: Random, round_seconds: float) -> int:
    """In each round add jobs, wait until some run, and kill at a random moment. Returns the number of kills."""
    kills = 0
    q, together, elsewhere = make(url, 0)
    seeds = iter(range(1, 10**6))
    workers = [start_worker(url, next(seeds)) for _ in range(WORKERS)]
    try:
        async with q:
            for number in range(rounds):
                await q.enqueue_many(
                    (together if n % 2 else elsewhere).options(key=f"k{n % 97}" if n % 10 == 0 else None).job(f"e{n}")
                    for n in range(number * jobs // rounds, (number + 1) * jobs // rounds)
                )
                await until_some_run(q)
                await anyio.sleep(random.random() * round_seconds)
                for place in random.sample(range(WORKERS), random.choice([1, 1, 2, WORKERS])):
                    kill(workers[place])
                    kills += 1
                    workers[place] = start_worker(url, next(seeds))
            await until_done(q)
    finally:
        for worker in workers:
            kill(worker)
    return kills


async def until_some_run(q: Queue) -> None:
    counts = await q.counts()
    while counts["pending"] and not counts["running"]:
        await anyio.sleep(0.01)
        counts = await q.counts()


async def until_done(q: Queue) -> None:
    counts = await q.counts()
    while counts["pending"] or counts["running"]:
        await anyio.sleep(0.05)  # other processes work: there is nothing here to wait for
        counts = await q.counts()


async def look(url: str, jobs: int, kills: int, seconds: float) -> Found:
    q, _, _ = make(url, -1)
    async with q:
        states = {str(state): count for state, count in (await q.counts()).items() if count}
        violations = await q.check(grace=60)
    with connected(url) as connection:

        def count(sql: str) -> int:
            return int(connection.execute(sql).fetchone()[0])

        return Found(
            jobs=jobs,
            kills=kills,
            seconds=seconds,
            rescued=count("SELECT count(*) FROM aq_event WHERE kind='rescued'"),
            states=states,
            effects=count("SELECT count(*) FROM effect_seen"),
            twice=count("SELECT count(*) FROM (SELECT key FROM effect_seen GROUP BY key HAVING count(*)>1) AS t"),
            missing=jobs - count("SELECT count(DISTINCT key) FROM effect_seen"),
            violations=violations,
        )


def kill_test(url: str, *, rounds: int, jobs: int, seed: int, round_seconds: float) -> Found:
    """The whole test, on an empty database."""
    set_up(url)
    begun = time.monotonic()
    random = Random(seed)
    kills = anyio.run(partial(kill_rounds, url, rounds=rounds, jobs=jobs, random=random, round_seconds=round_seconds))
    return anyio.run(look, url, jobs, kills, time.monotonic() - begun)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=20_000)
    parser.add_argument("--store", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--url", help="an empty PostgreSQL database; by default one of a server of the tests' own")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--round-seconds", type=float, default=0.5)
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        if options.store == "sqlite":
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="kill-", ignore_cleanup_errors=True))
            url = f"sqlite:///{folder}/jobs.db"
        elif options.url:
            url = options.url
        else:
            from tests.support.postgres import server_url

            url = stack.enter_context(server_url())
        found = kill_test(
            url, rounds=options.rounds, jobs=options.jobs, seed=options.seed, round_seconds=options.round_seconds
        )
    print(found)
    print("clean" if found.is_clean else "NOT CLEAN")
    return 0 if found.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
