"""What a strategy costs: the share of a guided exploration's CPU time that is spent in deciders, and its memory.

    python benchmarks/bookkeeping.py [--strategy auto] [--programs reorder_10,…] [--runs 500] [--memory]

A timer of CPU time interrupts the exploration; a sample counts as theirs if any frame of the stack is in
faultloop/deciders/: picks, what is noted per step, and learning, with all they call. Nothing is wrapped, so nothing is
slowed down. Failures end no run here: an exploration goes on until the strategy says that nothing is left. --memory
prints instead what the tables hold after the runs, in bytes that Python allocated, as its own tracing tells.
"""

from __future__ import annotations

import argparse
import gc
import signal
import sys
import tracemalloc
from pathlib import Path
from random import Random
from types import FrameType

if __name__ == "__main__":  # in place of this file's folder, where queue.py would hide the standard library's `queue`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.ports.catalogue import BASELINE, PORTS
from benchmarks.ports.shared import observe
from benchmarks.programs import SETTINGS
from faultloop import deciders
from faultloop.deciders.looking import Strategy
from faultloop.deciders.strategies import strategy
from faultloop.drivers.asyncio.guided import execute_guided
from faultloop.drivers.frames import ChainTable
from faultloop.drivers.touches import touch

HERE = str(Path(deciders.__file__).parent)
INTERVAL = 0.001


class Samples:
    """Counts interruptions, and those that came while a decider was at work."""

    def __init__(self) -> None:
        self.inside = 0
        self.all = 0

    def take(self, _: int, frame: FrameType | None) -> None:
        """Look at the stack."""
        self.all += 1
        while frame is not None:
            if frame.f_code.co_filename.startswith(HERE):
                self.inside += 1
                return
            frame = frame.f_back

    def __str__(self) -> str:
        return f"{self.inside / max(1, self.all):6.1%} of {self.all} samples"


def explore(program: str, search: Strategy, runs: int) -> int:
    """Run on whatever fails. Returns how many runs there were."""
    sites = ChainTable()
    for run in range(1, runs + 1):
        decider = search.decider()
        execute_guided(PORTS[program].program, SETTINGS, decider, sites=sites, footprints=search.needs_footprints)
        search.learn(decider, failed=False)
        if search.is_exhausted:
            return run
    return runs


def share(programs: list[str], name: str, runs: int) -> None:
    """Print the share per program and in all."""
    total = Samples()
    for program in programs:
        samples = Samples()
        signal.signal(signal.SIGPROF, samples.take)
        gc.collect()
        gc.disable()
        signal.setitimer(signal.ITIMER_PROF, INTERVAL, INTERVAL)
        made = explore(program, strategy(name, Random(program), sees_all=True), runs)
        signal.setitimer(signal.ITIMER_PROF, 0)
        gc.enable()
        total.inside += samples.inside
        total.all += samples.all
        print(f"{program:25} {made:6} runs {samples}", flush=True)
    print(f"{'all':25} {'':11} {total}")


def memory(programs: list[str], name: str, runs: int) -> None:
    """Print per program what a strategy's tables hold after a quarter of the runs and after all of them."""
    for program in programs:
        search = strategy(name, Random(program), sees_all=True)
        tracemalloc.start()
        held: list[str] = []
        for part in (runs // 4, runs - runs // 4):
            explore(program, search, part)
            gc.collect()
            ours = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, f"{HERE}/*")])
            held.append(f"{sum(trace.size for trace in ours.traces) / 1e6:7.2f} MB")
        tracemalloc.stop()
        print(f"{program:25} {runs} runs: {' then '.join(held)}", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--strategy", default="auto")
    parser.add_argument("--programs", default=",".join(BASELINE))
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--memory", action="store_true")
    args = parser.parse_args()
    observe(touch)
    (memory if args.memory else share)(args.programs.split(","), args.strategy, args.runs)


if __name__ == "__main__":
    main()
