"""The PostgreSQL server crashes under a queue, again and again: nothing acknowledged is lost, nothing happens twice.

    python -m tests.aqueue.server_crash --crashes 50

A server of its own is killed, or shut down immediately, at random moments, and started again; two workers and a
producer go on in this process. A job that the producer was told of must end, with its row written once. Meanwhile
whoever asks hears StoreUnavailable, with its code.
"""

from __future__ import annotations

import argparse
import logging
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final, Literal

import anyio
import psycopg

from aqueue import Context, Queue, Retry, StoreUnavailable
from aqueue.store.base import Session
from aqueue.store.questions import Census
from tests.support.postgres import Crashable, crashable_server

LEASE: Final = 1.0
HOW: Final[tuple[Literal["SIGKILL", "SIGQUIT"], ...]] = ("SIGKILL", "SIGQUIT")


@dataclass(eq=False)
class Found:
    """acknowledged: jobs that the producer was told of.   unanswered: enqueueings whose answer was lost.

    states, twice, unlike: of jobs, of rows written more than once, of jobs whose success and row do not agree.
    heard: what those were told who asked while the server was down.
    """

    acknowledged: set[int] = field(default_factory=set[int])
    unanswered: int = 0
    crashes: int = 0
    heard: list[str] = field(default_factory=list[str])
    lost: set[int] = field(default_factory=set[int])
    states: dict[str, int] = field(default_factory=dict[str, int])
    twice: int = 0
    unlike: int = 0
    rescued: int = 0
    violations: tuple[Any, ...] = ()


def make(url: str, seed: int) -> tuple[Queue, Any]:
    """One process's view of the queue: what it acknowledges is on the server's disk, whatever the server is set to."""
    q = Queue(url, durability="power", random=Random(seed), poll=0.1, retry_budget=None)

    @q.task(retry=Retry(50, base=0.01, cap=0.1))
    async def pay(ctx: Context) -> None:
        await anyio.sleep(0.1 * Random(f"{ctx.job_id}:{ctx.attempt}").random())
        async with ctx.tx() as tx:
            tx.execute("INSERT INTO receipt VALUES(%s, %s)", (ctx.job_id, ctx.attempt))

    return q, pay


async def work(url: str, seed: int) -> None:
    """A worker that outlives the server; it opens its store anew if it has to."""
    while True:
        q, _ = make(url, seed)
        with suppress(StoreUnavailable):
            async with q, q.worker(concurrency=5, lease=LEASE, sweep=0.3, settle_timeout=2):
                await anyio.sleep_forever()
        await anyio.sleep(0.1)


async def produce(q: Queue, pay: Any, found: Found, random: Random, jobs: int) -> None:
    """Enqueue until so many are acknowledged."""
    while len(found.acknowledged) < jobs:
        try:
            found.acknowledged.update(job.id for job in await q.enqueue_many(pay.job() for _ in range(3)))
        except StoreUnavailable:
            found.unanswered += 1
        await anyio.sleep(random.uniform(0, 0.04))


async def crash_often(server: Crashable, found: Found, random: Random, session: Session, crashes: int) -> None:
    """Crash at random moments, and look at what is heard while the server is down."""
    for number in range(crashes):
        await anyio.sleep(random.uniform(0.1, 0.5))
        await anyio.to_thread.run_sync(server.crash, HOW[number % 2])
        found.crashes += 1
        for _ in range(2):  # the first may hear of the connection that was lost, the second of one that is refused
            try:
                await session.perform(Census())
            except StoreUnavailable as error:
                found.heard.append(str(error))
        await anyio.to_thread.run_sync(server.start)


async def until_ended(q: Queue) -> None:
    """Wait until no job is live."""
    with anyio.fail_after(60):
        while True:
            counts = await q.counts()
            if not counts["pending"] and not counts["running"]:
                return
            await anyio.sleep(0.05)


async def crash_test(server: Crashable, crashes: int, jobs: int, seed: int) -> Found:
    """The whole of it, on a server without a queue."""
    found, random = Found(), Random(seed)
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE receipt(job bigint, attempt int)")
    q, pay = make(server.url, seed)
    async with q, anyio.create_task_group() as tasks:
        for number in (1, 2):
            tasks.start_soon(work, server.url, seed + number)
        assert q._hub.opened is not None
        async with anyio.create_task_group() as busy:
            busy.start_soon(produce, q, pay, found, random, jobs)
            busy.start_soon(crash_often, server, found, random, q._hub.opened, crashes)
        await until_ended(q)
        found.states = {str(state): count for state, count in (await q.counts()).items() if count}
        found.violations = await q.check()
        tasks.cancel_scope.cancel()
    look(server.url, found)
    return found


def look(url: str, found: Found) -> None:
    """What is in the database."""
    with psycopg.connect(url, autocommit=True) as connection:

        def numbers(sql: str) -> set[int]:
            return {int(row[0]) for row in connection.execute(sql.encode())}

        found.lost = found.acknowledged - numbers("SELECT id FROM aq_job")
        found.twice = len(numbers("SELECT job FROM receipt GROUP BY job HAVING count(*)>1"))
        found.unlike = len(
            numbers("SELECT id FROM aq_job WHERE state='succeeded'") ^ numbers("SELECT job FROM receipt")
        )
        found.rescued = len(numbers("SELECT seq FROM aq_event WHERE kind='rescued'"))


def main() -> None:
    """Crash as often as asked for, and say what is left."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crashes", type=int, default=50)
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    logging.disable(logging.CRITICAL)
    with crashable_server() as server:
        found = anyio.run(crash_test, server, chosen.crashes, chosen.jobs, chosen.seed)
    sys.stdout.write(
        f"{found.crashes} crashes, {len(found.acknowledged)} jobs acknowledged, {found.unanswered} unanswered, "
        f"{found.rescued} leases rescued; {found.states}; lost {len(found.lost)}, twice {found.twice}, "
        f"unlike {found.unlike}, violations {found.violations}\n"
    )
    sys.exit(bool(found.lost or found.twice or found.unlike or found.violations))


if __name__ == "__main__":
    main()
