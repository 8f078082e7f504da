"""Every table, one after the other, under the facts of the machine: what `make bench` runs.

    python benchmarks/tables.py [--quick] [--only NAME,…] [--list]

Each is a script of its own that can be run alone; ratios are taken within one script's run. --quick has less of each,
or what is committed of it, for a reader with five minutes. A script that cannot run here says why, and the next one
goes on. The real bugs need an index of packages once, when their environments are built, and nothing afterwards.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import os
import platform
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Table:
    """A script of this folder, with its arguments. quick: None where it takes too long for a reader in a hurry."""

    name: str
    what: str
    full: str
    quick: str | None


TABLES = (
    Table(
        "loop",
        "a step on our loop, on asyncio's and on the peers'",
        "loop.py --peers",
        "loop.py --peers --rounds 1 --only sleeping",
    ),
    Table(
        "exploring",
        "a fresh run of a small scenario, ours and the peers'",
        "exploring.py --peers",
        "exploring.py --peers --rounds 1",
    ),
    Table("trio", "a step on the trio driver", "trio_loop.py", "trio_loop.py --rounds 1"),
    Table("network", "a message on the simulated network", "network.py", "network.py --rounds 1"),
    Table("threads", "a worker thread that is stepped", "threads.py", "threads.py --seconds 1"),
    Table("observing", "watching plain state", "observing.py", "observing.py --rounds 1"),
    Table("scaling", "two processes against one", "scaling.py", "scaling.py --rounds 3 --runs 2000"),
    Table(
        "bookkeeping",
        "what exploring costs beside the runs",
        "bookkeeping.py",
        "bookkeeping.py --programs reorder_10,din_phil_5,async_cache_stampede --runs 200",
    ),
    Table(
        "programs",
        "runs to the first failure, strategy by strategy",
        "programs.py --jobs 2",
        "programs.py --jobs 2 --strategies auto,random --seeds 3 --runs 200",
    ),
    Table(
        "shrunk",
        "how small failures become",
        "shrunk.py",
        "shrunk.py --seeds 1 --runs 300 --programs reorder_5,account",
    ),
    Table(
        "correct",
        "alarms on correct programs",
        "no_false_alarm.py --jobs 2",
        "no_false_alarm.py --jobs 2 --runs 100",
    ),
    Table("size", "the size of a trace", "size.py", "size.py"),
    Table("queue", "aqueue beside others", "queue.py", None),
    Table("memory", "aqueue's size over a million jobs", "memory.py", "memory.py --jobs 20000"),
    Table("page", "a page of 50,000 events in a browser", "page.py", "page.py --rounds 1"),
    Table("bugs", "real bugs, the victim named", "bugs/run.py", "bugs/run.py --table"),
    Table("bugs-all", "real bugs, nobody named", "bugs/run.py --tasks *", "bugs/run.py --tasks * --table"),
    Table("bugs-peers", "real bugs under other tools", "peers/bugs.py", "peers/bugs.py --table"),
)


def facts() -> str:
    """What the figures were made on: a line each."""
    lines = [
        f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC, commit {commit()}",
        f"CPython {platform.python_version()}, {platform.system()} {platform.release()} {platform.machine()}",
        f"{os.cpu_count()} cores{processor()}{memory()}",
    ]
    if hasattr(os, "getloadavg"):
        lines.append(f"load average {os.getloadavg()[0]:.1f} before anything of this began")
    return "\n".join(lines)


def commit() -> str:
    """The short name of what is checked out, with a + where it was changed since."""
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        asked = ["git", "-C", str(ROOT), "describe", "--always", "--dirty=+", "--exclude=*"]
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    return "unknown"


def processor() -> str:
    """The name of the processor, where Linux says it."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return f" of {line.partition(':')[2].strip()}"
    return ""


def memory() -> str:
    """How much there is, where the system says it."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return f", {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB of memory"
    return ""


def main() -> int:
    """Print all of it. Returns 1 if a script said that something was missed or could not run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="less of each, in about five minutes")
    parser.add_argument("--only", default="", help="names, with commas")
    parser.add_argument("--list", action="store_true", help="print what there is, and run nothing")
    given = parser.parse_args()
    names = {name for name in given.only.split(",") if name}
    if unknown := names - {table.name for table in TABLES}:
        parser.error(f"there is no table {', '.join(sorted(unknown))}")
    chosen = [table for table in TABLES if not names or table.name in names]
    if given.list:
        print("\n".join(f"{table.name:<12} {table.what:<55} {table.full}" for table in chosen))
        return 0
    print(facts(), flush=True)
    told = {table.name: run(table, table.quick if given.quick else table.full) for table in chosen}
    print("\n" + "\n".join(f"{name:<12} {verdict}" for name, verdict in told.items()))
    return int(any(verdict.startswith("exit") for verdict in told.values()))


def run(table: Table, arguments: str | None) -> str:
    """Run one script; what it prints goes straight through. Returns how it went, in a few words."""
    if arguments is None:
        return "left out: it takes too long"
    script, *rest = arguments.split()
    print(f"\n=== {table.name}: {table.what}\n    python benchmarks/{arguments}\n", flush=True)
    began = time.perf_counter()
    done = subprocess.run([sys.executable, str(ROOT / "benchmarks" / script), *rest], cwd=ROOT, check=False)
    seconds = time.perf_counter() - began
    return f"exit {done.returncode}, {seconds:.0f} s" if done.returncode else f"{seconds:.0f} s"


if __name__ == "__main__":
    sys.exit(main())
