"""Whether faults and orders make a correct program look wrong: the correct ones and guarded failure modes, run by run.

    python benchmarks/no_false_alarm.py [--runs 20000] [--orders fifo,batch] [--programs a_rate_is_kept,…] [--seed 0]
                                        [--jobs 2]

For each program and order level half of the runs are what `faultloop.explore` makes of them; then faults are put on
top of each other. At `fifo` all pairs of faults, or as many as there is room for, spread evenly over the first ones;
then, and at `batch` from the beginning, chains of up to three faults, each on an order of its own.
«different» counts the runs of these that differ in their faults or in their order. A small program has only so many:
it is through with `chains` when a thousand in a row brought nothing new, for to repeat them would prove nothing.
A run that fails is an alarm. Printed: a table, and alarms with their faults. Exits with 1 if there is one.
"""

from __future__ import annotations

import argparse
import logging
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from random import Random
from typing import cast

if __name__ == "__main__":  # in place of this file's folder, where queue.py would hide the standard library's `queue`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from concurrent.futures import ProcessPoolExecutor

import structlog

from benchmarks.correct.catalogue import GUARDED, PROGRAMS
from faultloop import explore
from faultloop.checks.standard import Checks, judge
from faultloop.deciders.calm import Calm
from faultloop.deciders.uniform import Uniform
from faultloop.drivers.asyncio.run import execute
from faultloop.drivers.settings import Settings
from faultloop.model.address import parse_kind
from faultloop.model.points import Phase
from faultloop.model.trace import Order
from faultloop.search import collector
from faultloop.search.conditions import Conditions
from faultloop.search.run import Observed, run_with
from faultloop.search.sweep import Scope, Trial, trials

SCOPE = Scope((parse_kind("cancel"), parse_kind("expire")))
ALL = PROGRAMS | GUARDED
CHAIN = 3
"""Faults in one run at most."""
SIBLINGS = 6
"""How many faults are tried as the next one of a chain."""
STALE_RUNS = 1_000
"""Chains are no longer drawn once this many runs in a row were seen before."""


@dataclass(slots=True)
class Verdict:
    """What became of one program at one order level.

    runs: all runs made.   different: those that differed in their faults or in their order.   alarms: a line each.
    """

    program: str
    order: Order
    runs: int = 0
    different: int = 0
    alarms: list[str] = field(default_factory=list)
    exhausted: list[str] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(slots=True)
class Walk:
    """Runs of one program at one level, with faults on faults."""

    verdict: Verdict
    runs_max: int
    seen: set[int] = field(default_factory=set)
    stale: int = 0

    @property
    def may_run(self) -> bool:
        """Whether there is room for another run, and hope for a new one."""
        return self.verdict.runs < self.runs_max and self.stale < STALE_RUNS

    def trace(self, chain: tuple[Trial, ...], seed: int | None) -> Observed | None:
        """What a chain of faults leads to: where a further one can go on. None if the run failed or went elsewhere."""
        self.verdict.runs += 1
        seen = run_with(
            ALL[self.verdict.program],
            Calm() if seed is None else Uniform(seed),
            Conditions.of(),
            faults=tuple(trial.planned for trial in chain),
            seed=seed,
            order=self.verdict.order,
            collect=True,
        )
        self._look(chain, seed, seen.run.trace.outcome.status.is_failure, seen.run.trace.outcome.message)
        self._count(chain, seen.run.trace.choices.picks)
        return None if seen.run.not_reached else seen

    def strike(self, chain: tuple[Trial, ...], seed: int | None, order_of: Observed) -> None:
        """One fast run. order_of: a run of the same seed."""
        self.verdict.runs += 1
        choose = None if seed is None else Uniform(seed).choose
        facts = execute(
            ALL[self.verdict.program],
            Settings(self.verdict.order, choose),
            strikes=tuple(trial.strike for trial in chain),
        )
        if facts.has_landed:
            outcome = judge(facts, Checks(), tuple(trial.planned for trial in chain))
            self._look(chain, seed, outcome.status.is_failure, outcome.message)
            self._count(chain, order_of.run.trace.choices.picks)

    def _look(self, chain: tuple[Trial, ...], seed: int | None, failed: bool, message: str) -> None:
        if failed:
            faults = "; ".join(str(trial.planned) for trial in chain)
            self.verdict.alarms.append(f"order {self.verdict.order}, seed {seed}, {faults or 'no fault'}: {message}")

    def _count(self, chain: tuple[Trial, ...], picks: object) -> None:
        mark = hash((chain, picks))
        self.stale = self.stale + 1 if mark in self.seen else 0
        self.seen.add(mark)

    # Ways to go

    def pairs(self, random: Random) -> None:
        """Every pair of faults in asyncio's own order, or an even share of the seconds of each first."""
        calm = self.trace((), None)
        assert calm is not None
        firsts = list(trials(calm, SCOPE, _quietly))
        random.shuffle(firsts)
        complete = 0
        for number, first in enumerate(firsts):
            if not self.may_run:
                return
            parent = self.trace((first,), None)
            seconds = list(following(parent, first)) if parent is not None else []
            share = math.ceil((self.runs_max - self.verdict.runs) / (len(firsts) - number))
            complete += len(seconds) < share
            for second in seconds if len(seconds) < share else random.sample(seconds, max(0, share - 1)):
                self.strike((first, second), None, cast(Observed, parent))
        if complete == len(firsts):
            self.verdict.exhausted.append("pairs")

    def chains(self, random: Random) -> None:
        """Chains of faults, each on an order that is drawn for it, until there is no room left."""
        while self.may_run:
            seed = random.getrandbits(32)
            chain: tuple[Trial, ...] = ()
            for _ in range(CHAIN):
                parent = self.trace(chain, seed)
                possible = list(following(parent, *chain)) if parent is not None else []
                room = max(0, self.runs_max - self.verdict.runs)
                tried = random.sample(possible, min(SIBLINGS, len(possible), room))
                for trial in tried:
                    self.strike((*chain, trial), seed, cast(Observed, parent))
                if not tried:
                    break
                chain = (*chain, tried[0])
        if self.stale >= STALE_RUNS:
            self.verdict.exhausted.append("chains")


def following(parent: Observed, *chain: Trial) -> Iterator[Trial]:
    """Faults that hit a run after those of the chain that led to it."""
    last = chain[-1].strike if chain else None
    for trial in trials(parent, SCOPE, _quietly):
        strike = trial.strike
        if last is None or strike.at > last.at:
            yield trial
        elif strike.at == last.at and strike.phase is Phase.PARKED and last.phase is not Phase.PARKED:
            yield trial  # the first await of what the last one led to


def _quietly(why: str) -> None:
    """What cannot be tried is no alarm."""


def survive(program: str, order: Order, runs: int, seed: int = 0) -> Verdict:
    """Run one program so many times at one level."""
    began = time.perf_counter()
    found = explore(ALL[program], runs=math.ceil(runs / 2), order=order, seed=seed)
    verdict = Verdict(program, order, found.runs)
    if found.status != "passed" or found.failures:
        verdict.alarms += [f"explore, {failure.fault or 'no fault'}: {failure.message}" for failure in found.failures]
        verdict.alarms += [f"explore: {found.status} {found.reason}"]
    if any(sentence.startswith("every single fault") for sentence in found.exhausted):
        verdict.exhausted.append("singles")
    walk = Walk(verdict, runs)
    random = Random(f"{program} {order} {seed}")
    with collector.at_rest():
        if order == "fifo" and walk.may_run:
            walk.pairs(random)
        walk.chains(random)
    verdict.different = len(walk.seen)
    verdict.seconds = time.perf_counter() - began
    return verdict


HEAD = """\
| program | order | runs | different | exhausted | alarms | runs/s |
|---|---|---:|---:|---|---:|---:|"""


def row(verdict: Verdict) -> str:
    """The line of one program at one level, and up to five of its alarms behind it."""
    cells = (
        verdict.program,
        verdict.order,
        verdict.runs,
        verdict.different,
        ", ".join(verdict.exhausted) or "-",
        len(verdict.alarms),
        round(verdict.runs / max(1e-9, verdict.seconds)),
    )
    return "\n".join(("| " + " | ".join(map(str, cells)) + " |", *(f"ALARM: {alarm}" for alarm in verdict.alarms[:5])))


def _say_nothing() -> None:
    """The programs are stopped all the time, and would say so each time."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def main() -> int:
    """Run, print, and say whether there was an alarm."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--runs", type=int, default=20_000)
    parser.add_argument("--orders", default="fifo,batch")
    parser.add_argument("--programs", default=",".join(ALL))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    args = parser.parse_args()
    places = [(name, order) for name in args.programs.split(",") for order in args.orders.split(",")]
    names, orders = zip(*places, strict=True)
    alarms = 0
    print(HEAD)
    with ProcessPoolExecutor(args.jobs, initializer=_say_nothing) as pool:
        for verdict in pool.map(survive, names, orders, repeat(args.runs), repeat(args.seed)):
            alarms += len(verdict.alarms)
            print(row(verdict), flush=True)
    return int(alarms > 0)


if __name__ == "__main__":
    sys.exit(main())
