"""Several worker processes on one PostgreSQL store, with a rate and a concurrency that hold over all of them.

    python -m tests.aqueue.processes --processes 4 --jobs 2000

What they did is read from the log, whose times are the server's.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import multiprocessing
import sys
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any, Final

import anyio
import psycopg

from aqueue import Queue, Rate, Retry

BURST: Final = 5
RUNNING_MAX: Final = 3


def make(url: str, seed: int, rate: int) -> tuple[Queue, Any, Any]:
    """The queue of every process."""
    q = Queue(url, durability="process", random=Random(seed), poll=0.2)

    @q.task(retry=Retry(1), rate=Rate(rate, burst=BURST))
    async def rated() -> None: ...

    @q.task(retry=Retry(1), concurrency=RUNNING_MAX)
    async def narrow() -> None:
        await anyio.sleep(0.01)

    return q, rated, narrow


def work_until_killed(url: str, seed: int, rate: int) -> None:
    """What a worker process does."""

    async def work() -> None:
        q, _, _ = make(url, seed, rate)
        async with q, q.worker(concurrency=4, name=f"process-{seed}"):
            await anyio.sleep_forever()

    logging.disable()
    anyio.run(work)


@contextlib.contextmanager
def working(url: str, processes: int, rate: int) -> Iterator[None]:
    """Worker processes, for the life of the context."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["aqueue.store.postgres"])  # this module may be the main one, made again in each
    workers = [
        context.Process(target=work_until_killed, args=(url, seed, rate), daemon=True)
        for seed in range(1, processes + 1)
    ]
    for worker in workers:
        worker.start()
    try:
        yield
    finally:
        for worker in workers:
            worker.kill()
            worker.join()


@dataclass(frozen=True, slots=True)
class Found:
    """states: of jobs.   workers: how many of the processes took jobs.

    above_rate: the most jobs by which a stretch of time had more than the rate allows.   running_max: jobs of the
    limited task that ran at once.   violations: invariants that do not hold.
    """

    states: dict[str, int]
    workers: int
    above_rate: float
    running_max: int
    violations: tuple[Any, ...]


def above_rate(times: list[int], rate: int) -> float:
    """The most jobs by which any stretch of time has more than burst + time * rate. times: milliseconds, in order."""
    worst = 0.0
    for place, begun in enumerate(times):
        for last in {place, *range(place, len(times), 7), len(times) - 1}:
            count = bisect_right(times, times[last]) - place
            worst = max(worst, count - BURST - (times[last] - begun) * rate / 1000)
    return worst


def running_max(events: list[tuple[str, int]]) -> int:
    """events: kinds, in the order of the log."""
    running = most = 0
    for kind, _ in events:
        running += {"claimed": 1, "succeeded": -1}.get(kind, 0)
        most = max(most, running)
    return most


async def until_all_listen(url: str, queues: int) -> None:
    """Wait until so many queues have opened the store: jobs that come then are everybody's."""
    listening = "SELECT count(*) FROM pg_stat_activity WHERE datname=current_database() AND query LIKE 'LISTEN%'"
    with psycopg.connect(url, autocommit=True) as connection:
        (found,) = connection.execute(listening).fetchone() or (0,)
        while found < queues:
            await anyio.sleep(0.02)  # others open it: there is nothing here to wait for
            (found,) = connection.execute(listening).fetchone() or (0,)


async def run(url: str, *, processes: int, jobs: int, rate: int) -> Found:
    """Enqueue, have the processes work, and look."""
    q, rated, narrow = make(url, 0, rate)
    async with q:
        with working(url, processes, rate), anyio.fail_after(60 + jobs / rate):
            await until_all_listen(url, processes + 1)
            await q.enqueue_many((rated if number % 2 else narrow).job() for number in range(jobs))
            counts = await q.counts()
            while counts["pending"] or counts["running"]:
                await anyio.sleep(0.05)  # other processes work: there is nothing here to wait for
                counts = await q.counts()
        states = {str(state): count for state, count in (await q.counts()).items() if count}
        violations = await q.check()
    with psycopg.connect(url, autocommit=True) as connection:
        log = "SELECT e.kind,e.at FROM aq_event e JOIN aq_job j ON j.id=e.job_id WHERE j.task=%s ORDER BY e.seq"
        claims = sorted(at for kind, at in connection.execute(log, ("rated",)) if kind == "claimed")
        narrow_log = [(str(kind), int(at)) for kind, at in connection.execute(log, ("narrow",))]
        (workers,) = connection.execute(
            "SELECT count(DISTINCT split_part(worker,':',1)) FROM aq_event WHERE kind='claimed'"
        ).fetchone() or (0,)
    return Found(states, int(workers), above_rate(claims, rate), running_max(narrow_log), violations)


def main() -> None:
    """Do it, on a server of its own, and say what came of it."""
    from tests.support.postgres import server_url

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--rate", type=int, default=50)
    chosen = parser.parse_args()
    with server_url() as url:
        found = anyio.run(partial(run, url, processes=chosen.processes, jobs=chosen.jobs, rate=chosen.rate))
    sys.stdout.write(f"{found}\n")


if __name__ == "__main__":
    main()
