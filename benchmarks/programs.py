"""How many runs each strategy needs to find a known bug: the ports, strategy by strategy.

    python benchmarks/programs.py [--strategies auto,rff] [--programs reorder_10,…] [--seeds 20] [--runs 2000]
                                  [--jobs 2] [--primitives]

A trial explores one program with one seed until it fails, in order `any` without a bound, with what each step touches
told to the strategy (--primitives: locks, events, channels only, not attributes). Printed: per program the median over
all trials, a miss counting as the limit, with the trials that found it where not all did; and the geometric mean of
the medians, over all programs and the hard ones, for the half that strategies were tuned on and for the half that was
kept out, beside what the prototype needed. Systematic strategies have one trial: they answer alike whatever the seed.
"""

from __future__ import annotations

import argparse
import gc
import math
import statistics
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.ports.catalogue import BASELINE, BASELINE_STRATEGIES, HARD, HELD_OUT, PORTS
from benchmarks.ports.shared import observe
from faultloop.deciders.looking import Strategy
from faultloop.deciders.portfolio import Portfolio
from faultloop.deciders.strategies import STRATEGIES, SYSTEMATIC
from faultloop.drivers.asyncio_footprints import touch
from faultloop.drivers.asyncio_guided import execute_guided
from faultloop.drivers.asyncio_run import Settings
from faultloop.drivers.frames import ChainTable
from faultloop.errors import Deadlock
from faultloop.model.limits import Limits

SETTINGS = Settings(order="any", hold=None, limits=Limits(steps=4_000))
TRIALS_WITHOUT_HOPE = 4
"""A cell whose first trials all miss ends there."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One program under one strategy. found: per trial, the run that failed; None for a miss."""

    program: str
    strategy: str
    found: tuple[int | None, ...]
    limit: int
    runs: int
    seconds: float

    @property
    def median(self) -> int:
        """Runs to the first failure of the median trial."""
        return statistics.median_low([run or self.limit for run in self.found])

    @property
    def hits(self) -> int:
        """Trials that found the bug."""
        return sum(run is not None for run in self.found)

    def __str__(self) -> str:
        if not self.hits:
            return "-"
        return str(self.median) if self.hits == len(self.found) else f"{self.median} ({self.hits}/{len(self.found)})"


def explore(program: str, strategy: Strategy, limit: int) -> tuple[int | None, int]:
    """Run until it fails. Returns the failing run, or None, and how many there were."""
    sites = ChainTable()
    for run in range(1, limit + 1):
        decider = strategy.decider()
        facts = execute_guided(PORTS[program].program, SETTINGS, decider, sites=sites, footprints=True).facts
        has_failed = facts.error is not None or isinstance(facts.halted, Deadlock)
        strategy.learn(decider, failed=has_failed)
        if has_failed:
            return run, run
        if strategy.is_exhausted:
            return None, run
    return None, limit


def measure(program: str, name: str, seeds: range, limit: int, sees_attributes: bool) -> Cell:
    """All trials of one cell."""
    observe(touch, attributes=sees_attributes)
    found: list[int | None] = []
    total, began = 0, time.process_time()
    for seed in seeds[:1] if name in SYSTEMATIC else seeds:
        random = Random(f"{program} {seed}")
        strategy = Portfolio(random, sees_all=sees_attributes) if name == "auto" else STRATEGIES[name](random)
        gc.collect()
        gc.disable()
        run, runs = explore(program, strategy, limit)
        gc.enable()
        found.append(run)
        total += runs
        if len(found) == TRIALS_WITHOUT_HOPE and not any(found):
            break
    return Cell(program, name, tuple(found), limit, total, time.process_time() - began)


def geometric_mean(counts: list[int]) -> str:
    """Of the medians; «-» of none."""
    return f"{math.exp(statistics.fmean(map(math.log, counts))):.2f}" if counts else "-"


def table(cells: list[Cell], programs: list[str], strategies: list[str], limit: int) -> Iterator[str]:
    """The lines of the report."""
    by_place = {(cell.program, cell.strategy): cell for cell in cells}
    columns = [*strategies, *(f"prototype {name}" for name in BASELINE_STRATEGIES)]
    yield "| program | " + " | ".join(columns) + " |"
    yield "|---" * (len(columns) + 1) + "|"
    for program in programs:
        row = [str(by_place[program, name]) for name in strategies]
        row += ["-" if median is None else str(median) for median in BASELINE[program]]
        kept_out = " (kept out)" if PORTS[program].family in HELD_OUT else ""
        yield f"| {program}{kept_out} | " + " | ".join(row) + " |"
    halves = {
        "all": programs,
        "tuned on": [name for name in programs if PORTS[name].family not in HELD_OUT],
        "kept out": [name for name in programs if PORTS[name].family in HELD_OUT],
    }
    for half, names in halves.items():
        for kind, chosen in (("", names), (", hard", [name for name in names if name in HARD])):
            row = [geometric_mean([by_place[program, name].median for program in chosen]) for name in strategies]
            row += [
                geometric_mean([BASELINE[program][place] or limit for program in chosen])
                for place in range(len(BASELINE_STRATEGIES))
            ]
            yield f"| **{half}{kind}** ({len(chosen)}) | " + " | ".join(row) + " |"
    for name in strategies:
        own = [cell for cell in cells if cell.strategy == name]
        missed = [f"{cell.program} {cell.hits}/{len(cell.found)}" for cell in own if cell.hits < len(cell.found)]
        speed = sum(cell.runs for cell in own) / max(1e-9, sum(cell.seconds for cell in own))
        yield f"{name}: {speed:.0f} runs per CPU second; not in every trial: {', '.join(missed) or 'none'}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--strategies", default="auto,rff,holding,surw,urw,pos,pct3,random")
    parser.add_argument("--programs", default=",".join(BASELINE))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--runs", type=int, default=2_000)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--primitives", action="store_true")
    args = parser.parse_args()
    strategies, programs = args.strategies.split(","), args.programs.split(",")
    places = [(program, name) for program in programs for name in strategies]
    with ProcessPoolExecutor(args.jobs) as pool:
        cells = list(
            pool.map(
                measure,
                [program for program, _ in places],
                [name for _, name in places],
                repeat(range(args.first_seed, args.first_seed + args.seeds)),
                repeat(args.runs),
                repeat(not args.primitives),
            )
        )
    print("\n".join(table(cells, programs, strategies, args.runs)))


if __name__ == "__main__":
    main()
