"""What a second process brings: two jobs against one, as a ratio in one run.

    python benchmarks/scaling.py [--rounds N] [--units N] [--milliseconds N]

The units only compute, so the ratio can come near two where two cores are idle. It is taken between neighbouring rounds,
one job and then two, and the median counts: what else the machine does then hits both sides. «alone» is the same work in
this process: what the pipe costs. A machine that is busy, or has one core, shows less; the load is printed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable

from faultloop.search.crew import Alone, Crew, Duty
from faultloop.search.processes import Processes

TARGET = 1.8


def computing(turns: int) -> Callable[[int], int]:
    """Does so many turns of arithmetic per unit."""

    def do(unit: int) -> int:
        value = unit
        for _ in range(turns):
            value = (value * 1_103_515_245 + 12_345) & 0x7FFFFFFF
        return value

    return do


def turns_for(milliseconds: float) -> int:
    """How many turns take about that long here."""
    do, turns = computing(100_000), 100_000
    best = min(_seconds(lambda: do(1)) for _ in range(5))
    return max(1, round(turns * milliseconds / 1e3 / best))


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def seconds(crew: Crew[int, int], units: int) -> tuple[float, int]:
    """How long a crew takes for so many units, and what they come to. Starting the workers is not counted."""
    list(crew.carry_out(range(8)))
    began = time.perf_counter()
    total = sum(done.result for done in crew.carry_out(range(units)) if isinstance(done.result, int))
    return time.perf_counter() - began, total


def main() -> int:
    """Print the table. Returns 1 when two jobs miss the target."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--units", type=int, default=200)
    parser.add_argument("--milliseconds", type=float, default=5.0, help="of work in a unit")
    options = parser.parse_args()
    duty = Duty(computing, turns_for(options.milliseconds))
    rows: list[tuple[float, float, float]] = []
    with Processes(duty, 1) as one, Processes(duty, 2) as two, Alone(duty) as alone:
        for _ in range(options.rounds):
            taken = [seconds(crew, options.units) for crew in (one, two, alone)]
            assert len({total for _, total in taken}) == 1, "all come to the same"
            rows.append((taken[0][0], taken[1][0], taken[2][0]))
    gain = statistics.median(first / second for first, second, _ in rows)
    best = [min(column) for column in zip(*rows, strict=True)]
    print(f"{options.units} units of {options.milliseconds:g} ms, {options.rounds} rounds, {os.cpu_count()} cores")
    if hasattr(os, "getloadavg"):
        print(f"load of the last minute: {os.getloadavg()[0]:.1f} (2 of it ours)")
    for name, best_seconds in zip(("one job", "two jobs", "alone"), best, strict=True):
        print(f"  {name:<9} {best_seconds:7.3f} s at best, {options.units / best_seconds:8.0f} units/s")
    print(f"two jobs against one: {gain:.2f} (median; best {max(r[0] / r[1] for r in rows):.2f}; target {TARGET})")
    print(f"one job against none: {statistics.median(third / first for first, _, third in rows):.2f}")
    return 0 if gain >= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
