"""How many runs each strategy needs to find a known bug: the ports, strategy by strategy.

    python benchmarks/programs.py [--strategies auto,rff] [--programs reorder_10,…] [--seeds 20] [--first-seed 0]
                                  [--runs 2000] [--jobs 2] [--write] [--through-explore]

A trial explores one program with one seed until it fails, in order `any` without a bound, with what each step touches
told to the strategy; to `NAME-primitives` only what it touches of locks, events and channels. Printed: per strategy the
geometric mean of the medians, a miss counting as the limit, over all programs and the hard ones, for those it was tuned
on and for those kept out, beside what the prototype needed; the verdict on `auto`; and each median, with the trials
that found the bug where not all did. --write puts all that into benchmarks/results/programs.md: counts of runs, the
same on every machine. Systematic strategies have one trial: they answer alike whatever the seed.
--through-explore makes the trials by `faultloop.explore(order="any", hold=None, faults=())`, the two calm runs not
counted. It refuses what fails in asyncio's own order, which counts as found by the first run.
"""

from __future__ import annotations

import argparse
import gc
import math
import statistics
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from random import Random

if __name__ == "__main__":  # in place of this file's folder, where queue.py would hide the standard library's `queue`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from concurrent.futures import ProcessPoolExecutor

import faultloop
from benchmarks.ports.catalogue import BASELINE, BASELINE_STRATEGIES, HARD, HELD_OUT, PORTS
from benchmarks.ports.shared import observe
from faultloop.deciders.looking import Strategy
from faultloop.deciders.portfolio import Portfolio
from faultloop.deciders.strategies import STRATEGIES, SYSTEMATIC
from faultloop.drivers.asyncio.guided import execute_guided
from faultloop.drivers.frames import ChainTable
from faultloop.drivers.settings import Settings
from faultloop.drivers.touches import touch
from faultloop.errors import Deadlock
from faultloop.model.limits import Limits

PRIMITIVES = "-primitives"
RESULTS = Path(__file__).parent / "results" / "programs.md"
OPEN_CHALLENGE = "safestack"
"""Found by nobody within the limit; in the literature by SURW alone, after some 200,000 runs."""
PRIMITIVES_FACTOR = 1.5
"""How much more `auto` may need when it sees primitives only."""
SETTINGS = Settings(order="any", hold=None, limits=Limits(steps=4_000))
DEFAULT = f"auto,auto{PRIMITIVES},rff,holding,surw,urw,pos,pct3,random"
CALM_RUNS = 2
"""What an exploration makes before it draws anything."""
TRIALS_WITHOUT_HOPE = 4
"""A cell whose first trials all miss ends there."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One program under one strategy. found: per trial, the run that failed; None for a miss."""

    program: str
    strategy: str
    found: tuple[int | None, ...]
    limit: int

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


def explore(program: str, strategy: Strategy, limit: int) -> int | None:
    """Run until it fails. Returns the failing run, or None."""
    sites = ChainTable()
    for run in range(1, limit + 1):
        decider = strategy.decider()
        facts = execute_guided(PORTS[program].program, SETTINGS, decider, sites=sites, footprints=True).facts
        has_failed = facts.error is not None or isinstance(facts.halted, Deadlock)
        strategy.learn(decider, failed=has_failed)
        if has_failed:
            return run
        if strategy.is_exhausted:
            break
    return None


def measure(program: str, name: str, seeds: range, limit: int, is_through_explore: bool = False) -> Cell:
    """All trials of one cell."""
    base, sees_attributes = name.removesuffix(PRIMITIVES), not name.endswith(PRIMITIVES)
    observe(touch, attributes=sees_attributes)
    found: list[int | None] = []
    for seed in seeds[:1] if base in SYSTEMATIC else seeds:
        random = Random(f"{program} {seed}")
        strategy = Portfolio(random, sees_all=sees_attributes) if base == "auto" else STRATEGIES[base](random)
        gc.collect()
        gc.disable()
        found.append(explored(program, base, seed, limit) if is_through_explore else explore(program, strategy, limit))
        gc.enable()
        if len(found) == TRIALS_WITHOUT_HOPE and not any(found):
            break
    return Cell(program, name, tuple(found), limit)


def explored(program: str, name: str, seed: int, limit: int) -> int | None:
    """The same as a user would have it."""
    found = faultloop.explore(
        PORTS[program].program,
        strategy=name,
        order="any",
        hold=None,
        faults=(),
        runs=limit + CALM_RUNS,
        seed=seed,
        first=True,
        limits=SETTINGS.limits,
    )
    return found.first_failure_run and max(found.first_failure_run - CALM_RUNS, 1)


def geometric_mean(counts: Iterable[int]) -> float:
    """Of at least one."""
    return math.exp(statistics.fmean(map(math.log, counts)))


class Results:
    """The cells of one measurement, and what they come to."""

    def __init__(self, cells: list[Cell], programs: list[str], strategies: list[str], limit: int) -> None:
        self._of = {(cell.program, cell.strategy): cell for cell in cells}
        self._programs = programs
        self._strategies = strategies
        self._limit = limit
        kept_out = [name for name in programs if PORTS[name].family in HELD_OUT]
        halves = {
            "all": programs,
            "tuned on": [name for name in programs if name not in kept_out],
            "kept out": kept_out,
        }
        self._groups: dict[str, list[str]] = {}
        for half, names in halves.items():
            self._groups[half] = names
            self._groups[f"{half}, hard"] = [name for name in names if name in HARD]

    def mean(self, strategy: str, group: str) -> float:
        """The geometric mean of a strategy's medians over a group of programs."""
        return geometric_mean(self._of[program, strategy].median for program in self._groups[group])

    def mean_of_prototype(self, name: str, group: str) -> float:
        """The same for a strategy of the prototype."""
        place = BASELINE_STRATEGIES.index(name)
        return geometric_mean(BASELINE[program][place] or self._limit for program in self._groups[group])

    def missed(self, strategy: str) -> list[str]:
        """The programs whose bug not every trial found, with how many did."""
        cells = [self._of[program, strategy] for program in self._programs]
        return [f"{cell.program} {cell.hits}/{len(cell.found)}" for cell in cells if cell.hits < len(cell.found)]

    def means(self) -> Iterator[str]:
        """A line per strategy, ours and the prototype's."""
        yield (
            "| strategy | "
            + " | ".join(f"{name} ({len(of)})" for name, of in self._groups.items())
            + " | not in every trial |"
        )
        yield "|---" * (len(self._groups) + 2) + "|"
        for name in self._strategies:
            row = [f"{self.mean(name, group):.2f}" if of else "-" for group, of in self._groups.items()]
            yield f"| {name} | " + " | ".join(row) + f" | {', '.join(self.missed(name)) or 'none'} |"
        for name in BASELINE_STRATEGIES:
            row = [f"{self.mean_of_prototype(name, group):.2f}" if of else "-" for group, of in self._groups.items()]
            yield f"| prototype {name} | " + " | ".join(row) + " | |"

    def medians(self) -> Iterator[str]:
        """A line per program."""
        yield "| program | " + " | ".join(self._strategies) + " |"
        yield "|---" * (len(self._strategies) + 1) + "|"
        for program in self._programs:
            marks = [
                mark
                for mark, group in (("hard", "all, hard"), ("kept out", "kept out"))
                if program in self._groups[group]
            ]
            named = f"{program} ({', '.join(marks)})" if marks else program
            yield f"| {named} | " + " | ".join(str(self._of[program, name]) for name in self._strategies) + " |"

    def verdict(self) -> Iterator[str]:
        """Whether `auto` is as good as it is meant to be. Only for all programs with `auto` among the strategies."""
        if "auto" not in self._strategies or set(self._programs) != set(BASELINE):
            return
        missed = [line for line in self.missed("auto") if not line.startswith(OPEN_CHALLENGE)]
        yield "## Verdict\n"
        yield _said(not missed, f"`auto` finds every bug but {OPEN_CHALLENGE}'s in every trial", ", ".join(missed))
        for group in ("all", "all, hard"):
            best = min(self.mean_of_prototype(name, group) for name in BASELINE_STRATEGIES)
            own = self.mean("auto", group)
            yield _said(own < best, f"{group}: `auto` {own:.2f}, the prototype's best strategy {best:.2f}")
            if (blind := "auto" + PRIMITIVES) in self._strategies:
                limit = PRIMITIVES_FACTOR * own
                mean = self.mean(blind, group)
                yield _said(
                    mean <= limit, f"{group}: with primitives only {mean:.2f}, {PRIMITIVES_FACTOR} times is {limit:.2f}"
                )


def _said(is_so: bool, claim: str, but: str = "") -> str:
    return f"- {'yes' if is_so else 'NO'}: {claim}" + (f"; not {but}" if but else "")


def report(results: Results, seeds: range, limit: int) -> str:
    """All of it, as Markdown."""
    parts = [
        "# Runs to the first failure",
        f"Medians of {len(seeds)} trials (seeds {seeds[0]} to {seeds[-1]}) of up to {limit:,} runs, order `any` "
        "without a bound; a miss counts as the limit. Made by `benchmarks/programs.py --jobs 2 --write`, which also "
        "says what the columns are.",
        "\n".join(results.verdict()),
        "## Geometric means of the medians",
        "\n".join(results.means()),
        "## Medians",
        "Hits are given where not every trial found the bug; `-` is none.",
        "\n".join(results.medians()),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--strategies", default=DEFAULT, help=f"of {', '.join(STRATEGIES)}")
    parser.add_argument("--programs", default=",".join(BASELINE))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--runs", type=int, default=2_000)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--through-explore", action="store_true", help="as a user would have it")
    parser.add_argument("--write", action="store_true", help=f"write it to {RESULTS.name} as well")
    args = parser.parse_args()
    strategies, programs = args.strategies.split(","), args.programs.split(",")
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    places = [(program, name) for program in programs for name in strategies]
    with ProcessPoolExecutor(args.jobs) as pool:
        measured = pool.map(
            measure, *zip(*places, strict=True), repeat(seeds), repeat(args.runs), repeat(args.through_explore)
        )
        cells = list(measured)
    text = report(Results(cells, programs, strategies, args.runs), seeds, args.runs)
    print(text)
    if args.write:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
