"""What exploring costs beside the runs themselves, as shares of its CPU time, and what strategies keep in memory.

    python benchmarks/bookkeeping.py [--programs reorder_10,…] [--runs 500] [--strategy rff | --memory]

A timer of CPU time interrupts `explore` (all of `auto`: sweeping, drawing orders, judging, shrinking), and a sample
counts for what is on the stack: «deciders», picks, what is noted per step, and learning, with all they call; «search»,
whatever else is no part of a run; the rest are runs. Nothing is wrapped, so nothing is slowed down. --strategy
interrupts bare guided runs of one strategy instead, where nothing else is done; failures end none of them, it goes on
until the strategy says that nothing is left. --memory prints what the tables hold after the runs, in bytes that Python
allocated, as its own tracing tells.
"""

from __future__ import annotations

import argparse
import gc
import signal
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from random import Random
from types import FrameType

if __name__ == "__main__":  # in place of this file's folder, where queue.py would hide the standard library's `queue`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.ports.catalogue import BASELINE, PORTS
from benchmarks.ports.shared import observe
from benchmarks.programs import SETTINGS
from faultloop import deciders, explore
from faultloop.deciders.looking import Strategy
from faultloop.deciders.strategies import strategy
from faultloop.drivers.asyncio import run
from faultloop.drivers.asyncio.guided import execute_guided
from faultloop.drivers.frames import ChainTable
from faultloop.drivers.touches import touch

DECIDERS = str(Path(deciders.__file__).parent)
RUNS = str(Path(run.__file__))
INTERVAL = 0.001
GOAL = 0.25


class Samples:
    """Counts interruptions: those that came while a decider was at work, and while a run was."""

    def __init__(self) -> None:
        self.deciders = 0
        self.runs = 0
        self.all = 0

    def take(self, _: int, frame: FrameType | None) -> None:
        """Look at the stack."""
        self.all += 1
        is_run = False
        while frame is not None:
            file = frame.f_code.co_filename
            if file.startswith(DECIDERS):
                self.deciders += 1
                return
            is_run = is_run or file == RUNS
            frame = frame.f_back
        self.runs += is_run

    def add(self, other: Samples) -> None:
        """Count those of the other as well."""
        self.deciders += other.deciders
        self.runs += other.runs
        self.all += other.all

    @property
    def bookkeeping(self) -> float:
        """What is no part of a run, as a share."""
        return 1 - self.runs / max(1, self.all)

    def __str__(self) -> str:
        in_deciders = self.deciders / max(1, self.all)
        return f"{in_deciders:8.1%} {self.bookkeeping - in_deciders:8.1%} {self.bookkeeping:8.1%} {self.all:8}"


def guided(program: str, search: Strategy, runs: int) -> int:
    """Run on whatever fails. Returns how many runs there were."""
    sites = ChainTable()
    for number in range(1, runs + 1):
        decider = search.decider()
        execute_guided(PORTS[program].program, SETTINGS, decider, sites=sites, footprints=search.needs_footprints)
        search.learn(decider, failed=False)
        if search.is_exhausted:
            return number
    return runs


def explored(program: str, _: str, runs: int) -> int:
    """An exploration with all its stages. Returns how many runs there were."""
    return explore(PORTS[program].program, order="any", hold=None, runs=runs).runs


def by_strategy(program: str, name: str, runs: int) -> int:
    """Guided runs of one strategy, and nothing else. Returns how many there were."""
    gc.collect()
    gc.disable()  # as explorations do
    try:
        return guided(program, strategy(name, Random(program), sees_all=True), runs)
    finally:
        gc.enable()


def share(programs: list[str], make: Callable[[str, str, int], int], name: str, runs: int) -> Samples:
    """Print the shares per program and in all."""
    total = Samples()
    print(f"{'':25} {'runs':>6} {'deciders':>8} {'search':>8} {'both':>8} {'samples':>8}")
    for program in programs:
        samples = Samples()
        signal.signal(signal.SIGPROF, samples.take)
        signal.setitimer(signal.ITIMER_PROF, INTERVAL, INTERVAL)
        made = make(program, name, runs)
        signal.setitimer(signal.ITIMER_PROF, 0)
        total.add(samples)
        print(f"{program:25} {made:6} {samples}", flush=True)
    print(f"{'all':25} {'':6} {total}")
    return total


def memory(programs: list[str], name: str, runs: int) -> None:
    """Print per program what a strategy's tables hold after a quarter of the runs and after all of them."""
    for program in programs:
        search = strategy(name, Random(program), sees_all=True)
        tracemalloc.start()
        held: list[str] = []
        for part in (runs // 4, runs - runs // 4):
            guided(program, search, part)
            gc.collect()
            ours = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, f"{DECIDERS}/*")])
            held.append(f"{sum(trace.size for trace in ours.traces) / 1e6:7.2f} MB")
        tracemalloc.stop()
        print(f"{program:25} {runs} runs: {' then '.join(held)}", flush=True)


def main() -> int:
    """Measure and print. 1 if explorations miss the goal."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--programs", default=",".join(BASELINE))
    parser.add_argument("--runs", type=int, default=500)
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument("--strategy", help="guided runs of this one, and nothing else")
    ways.add_argument("--memory", action="store_true")
    args = parser.parse_args()
    observe(touch)
    programs: list[str] = args.programs.split(",")
    if args.memory:
        memory(programs, "auto", args.runs)
        return 0
    if args.strategy:
        share(programs, by_strategy, args.strategy, args.runs)
        return 0
    both = share(programs, explored, "auto", args.runs).bookkeeping
    print(f"beside the runs {both:.1%}, goal at most {GOAL:.0%}: {'reached' if both <= GOAL else 'MISSED'}")
    return int(both > GOAL)


if __name__ == "__main__":
    sys.exit(main())
