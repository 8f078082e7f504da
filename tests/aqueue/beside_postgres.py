"""Single faults at every await of a queue beside a real PostgreSQL server.

    python -m tests.aqueue.beside_postgres [--drivers asyncio,trio] [--runs 400]

What the server answers, and when, is its own affair: such an exploration is best effort. Virtual time stands still for
up to a second of real time while the server may say something, so a run takes seconds, and next to no CPU.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from contextlib import suppress
from random import Random
from typing import Final

import anyio
import psycopg

import faultloop
from aqueue import Context, Queue, Retry, StillBusy, StoreUnavailable, WorkerStopped
from tests.aqueue.conftest import empty_schema
from tests.support.postgres import server_url

TASKS: Final = ("*.job*", "worker-?", "store.flush", "store.listen", "worker-?.renew", "worker-?.sweep")


async def work_beside(database_url: str, *, is_careless: bool = False) -> None:
    """Two jobs that write a row each with their success; whatever becomes of the worker, another one ends them.

    is_careless: they write it on a connection of their own.
    """
    with empty_schema(database_url) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE TABLE receipt(job bigint)")
        q = Queue(url, durability="process", random=Random(1), poll=30, retry_budget=None)

        @q.task(retry=Retry(8, base=0))
        async def pay(ctx: Context) -> str:
            if is_careless:
                with psycopg.connect(url, autocommit=True) as own:
                    own.execute("INSERT INTO receipt VALUES(%s)", (ctx.job_id,))
                await anyio.sleep(0.01)
                return "paid"
            async with ctx.tx() as tx:
                tx.execute("INSERT INTO receipt VALUES(%s)", (ctx.job_id,))
                tx.result = "paid"
            return "paid"

        async with q:
            jobs = await q.enqueue_many([pay.job(), pay.options(key="k").job()])
            with suppress(WorkerStopped, StoreUnavailable):
                async with q.worker(concurrency=2, lease=60, sweep=60):
                    with anyio.move_on_after(100):
                        for job in jobs:
                            await job.result()
            await ended(q)
            assert await q.check(grace=200) == ()
            assert [(await job.info()).state for job in jobs] == ["succeeded"] * 2
        with psycopg.connect(url, autocommit=True) as connection:
            assert connection.execute("SELECT job FROM receipt ORDER BY 1").fetchall() == [(1,), (2,)]


async def ended(q: Queue) -> None:
    """Have another worker end what is left; it may be hit as well."""
    for _ in range(3):
        with suppress(WorkerStopped, StoreUnavailable, StillBusy):
            await q.run_until_idle(concurrency=2, limit=600, lease=60)
            return


def sweep_beside(
    database_url: str, *, driver: str, tasks: str, runs: int, is_careless: bool = False
) -> faultloop.Exploration:
    """Cancels and timeouts at awaits of these tasks."""

    async def scenario() -> None:
        await work_beside(database_url, is_careless=is_careless)

    return faultloop.explore(
        scenario, io="real", driver=driver, strategy="sweep", tasks=tasks, runs=runs, first=is_careless
    )


def main() -> None:
    """Sweep task by task, and print a line of figures for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--drivers", default="asyncio,trio")
    parser.add_argument("--runs", type=int, default=400)
    chosen = parser.parse_args()
    logging.disable(logging.CRITICAL)
    sys.stdout.write("| tasks | driver | faults tried | runs | failures | seconds |\n|---|---|---:|---:|---:|---:|\n")
    is_clean = True
    with server_url() as url:
        for driver in chosen.drivers.split(","):
            for tasks in TASKS:
                begun = time.monotonic()
                found = sweep_beside(url, driver=driver, tasks=tasks, runs=chosen.runs)
                is_clean &= found.status == "passed"
                sys.stdout.write(
                    f"| `{tasks}` | {driver} | {found.tried} | {found.runs} | {len(found.failures)} "
                    f"| {time.monotonic() - begun:.0f} |\n"
                )
                told = [f"{failure.fault}: {failure.message[:300]}" for failure in found.failures]
                told += [f"{found.status} {found.reason}"] if found.status == "inconclusive" else []
                sys.stdout.write("".join(f"    {line}\n" for line in told))
                sys.stdout.flush()
    sys.exit(not is_clean)


if __name__ == "__main__":
    main()
