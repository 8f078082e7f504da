"""What a second process brings: two jobs against one, as a ratio in one run.

    python benchmarks/scaling.py [--rounds N] [--units N] [--milliseconds N] [--runs N]

First units that only compute, so two idle cores nearly halve the time; then a real exploration of the small scenario,
orders and faults, whose parts have to wait for each other here and there. Ratios are taken between neighbouring rounds,
one job and then two, and the median counts. «in two halves» is the same work handed out in two pieces, which costs no
handing out but ends with the slower half. Where it is far from two the machine is busy, and no ratio tells of the crew.
The CPU time that this process needs for a unit says how many jobs it could keep busy, on any machine.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

if __name__ == "__main__":  # in place of this file's folder, where queue.py would hide the standard library's `queue`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks import workloads
from faultloop import explore
from faultloop.search.crew import Duty
from faultloop.search.processes import Processes

TARGET = 1.8


def computing(turns: int) -> Callable[[int], int]:
    """A unit is how often to do so many turns of arithmetic."""

    def do(unit: int) -> int:
        value = unit
        for _ in range(turns * unit):
            value = (value * 1_103_515_245 + 12_345) & 0x7FFFFFFF
        return value

    return do


def turns_for(milliseconds: float) -> int:
    """How many turns take about that long here."""
    turns = 100_000
    do = computing(turns)
    return max(1, round(turns * milliseconds / 1e3 / min(_seconds(lambda: do(1)) for _ in range(9))))


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def seconds(crew: Processes[int, int], units: list[int]) -> float:
    """How long a crew takes. Starting the workers is not counted."""
    list(crew.carry_out([1] * 8))
    return _seconds(lambda: list(crew.carry_out(units)))


def main() -> int:
    """Print the table. Returns 1 when two jobs miss the target."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--units", type=int, default=100)
    parser.add_argument("--milliseconds", type=float, default=5.0, help="of work in a unit")
    parser.add_argument("--runs", type=int, default=12_000, help="of the exploration; 0 leaves it out")
    options = parser.parse_args()
    duty = Duty(computing, turns_for(options.milliseconds))
    fine, halves = [1] * options.units, [options.units // 2] * 2
    gains: list[float] = []
    given: list[float] = []
    own: list[float] = []
    with Processes(duty, 1) as one, Processes(duty, 2) as two:
        for _ in range(options.rounds):
            began = time.process_time()
            gains.append(seconds(one, fine) / seconds(two, fine))
            own.append((time.process_time() - began) / (2 * options.units))
            given.append(seconds(one, halves) / seconds(two, halves))
    gain = statistics.median(gains)
    load = f", load {os.getloadavg()[0]:.1f} (2 of it ours)" if hasattr(os, "getloadavg") else ""
    print(f"{options.units} units of {options.milliseconds:g} ms, {os.cpu_count()} cores{load}")
    print(f"two jobs against one    {gain:5.2f}  (median of {options.rounds}; best {max(gains):.2f}; target {TARGET})")
    print(f"the same in two halves  {statistics.median(given):5.2f}  (best {max(given):.2f})")
    print(f"this process needs {min(own) * 1e6:.0f} µs of CPU for a unit")
    explored = exploring(options.runs, options.rounds) if options.runs else gain
    return 0 if min(gain, explored) >= TARGET else 1


def exploring(runs: int, rounds: int) -> float:
    """Explore with one job and with two, in turns, and print how much sooner two are done. Returns the median gain."""
    gains: list[float] = []
    for number in range(rounds):
        speeds: list[float] = []
        for jobs in (1, 2):
            found = explore(workloads.small, strategy="schedules", runs=runs, seed=number, order="batch", jobs=jobs)
            speeds.append(found.runs / found.seconds)
        gains.append(speeds[1] / speeds[0])
    gain = statistics.median(gains)
    print(f"exploring, two jobs     {gain:5.2f}  (median of {rounds}; best {max(gains):.2f}; target {TARGET})")
    return gain


if __name__ == "__main__":
    sys.exit(main())
