"""What a worker thread costs: aiosqlite stepped inline against its thread being watched, as a ratio in one run.

    python benchmarks/threads.py [--seconds N]

The program opens a database in memory, writes twice and reads once. Stepped, its worker's queue is run at steps of the
loop; watched, each idle moment waits until the thread rests. Plain asyncio runs the same program on its own loop.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
import time
from collections.abc import Callable
from pathlib import Path

if __name__ == "__main__":  # in place of this file's folder, where queue.py would hide the standard library's `queue`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import aiosqlite

from faultloop.drivers.asyncio.run import execute
from faultloop.drivers.settings import Settings
from faultloop.model.entropy import Entropy
from faultloop.world.entropy import around, kept

GOAL = 200
"""Runs a second, stepped."""


async def program() -> int:
    """Five statements and a commit, each a job for the connection's thread."""
    async with aiosqlite.connect(":memory:") as db:
        await db.execute("create table written (number integer)")
        for number in range(2):
            await db.execute("insert into written values (?)", (number,))
        await db.commit()
        async with db.execute("select count(*) from written") as cursor:
            row = await cursor.fetchone()
        return int(row[0]) if row else 0


def rate(run: Callable[[], object], seconds: float) -> float:
    """Runs a second of real time."""
    run()
    gc.collect()
    runs, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        run()
        runs += 1
    return runs / (time.perf_counter() - began)


def main() -> int:
    """Print the three rates and what they are to each other. Returns 1 if the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0, help="for each contender")
    seconds = parser.parse_args().seconds
    inside = around(Entropy())
    with kept(Entropy()):
        stepped = rate(lambda: execute(program, Settings(threads="inline", around=inside)), seconds)
        watched = rate(lambda: execute(program, Settings(threads="real", around=inside)), seconds)
    plain = rate(lambda: asyncio.run(program()), seconds)
    print(f"stepped inline   {stepped:8.1f} runs/s   goal {GOAL}")
    print(f"watched thread   {watched:8.1f} runs/s   stepped is {stepped / watched:.1f} times as fast")
    print(f"plain asyncio    {plain:8.1f} runs/s   stepped is {stepped / plain:.1f} times as fast")
    return int(stepped < GOAL)


if __name__ == "__main__":
    raise SystemExit(main())
