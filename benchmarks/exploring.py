"""What a run costs an exploration: the small scenario, over and over, against asyncio's own fresh runs of it.

    python benchmarks/exploring.py [--rounds N] [--only NAME] [--peers]

Every figure is runs per CPU second in a fresh process that does nothing else; contenders take turns, and the best of
the rounds counts. Each of ours is what an exploration does for one run: the decider is made, the run made, its loop
torn down, and its outcome judged.

    asyncio   `asyncio.run` of the same program with its sleeps shortened to nothing: virtual time it has not
    virtual   a virtual-time loop that promises nothing else (see loop.py), new for every run
    fifo      in asyncio's order
    batch     with the order drawn from a seed, and kept
    swept     with one fault each, over all single faults of the calm run
    traced    with everything recorded
    walk      guided by a random walk, which looks at what is ready
    portfolio guided by the portfolio, told what each step touches

and with --peers (benchmarks/peers), all of them on the Python that these need:

    simloop, simloom   a run of their own explorer, with the order drawn from a seed
    cancellens         a run of its sweep over a body with its sleeps shortened to nothing: virtual time it has not
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import gc
import itertools
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

if __name__ == "__main__":  # in place of this file's folder, where queue.py would hide the standard library's `queue`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks import loop as steps
from benchmarks import workloads
from benchmarks.peers.loops import EXPLORERS, swept_by_cancellens
from benchmarks.peers.place import Place, place_of

ROUNDS = 5
SECONDS = 0.5
"""CPU time of one measurement; a process makes three, and the best counts."""
TARGETS = {"batch": 3_200, "swept": 3_200}
"""Runs per CPU second that are aimed at on an ordinary machine. A figure of the machine as much as of the program."""

Once = Callable[[], object]


def _stock() -> Once:
    return lambda: asyncio.run(workloads.small(0))


def _virtual() -> Once:
    gc.disable()

    def once() -> None:
        loop = steps.VirtualFifo()
        loop.run_until_complete(workloads.small())
        loop.close()

    return once


def _fast(order: Any) -> Once:
    from faultloop.checks.standard import Checks, judge
    from faultloop.deciders.uniform import Uniform
    from faultloop.drivers.asyncio.run import execute
    from faultloop.drivers.settings import Settings
    from faultloop.engine.choices import RecordedChoices
    from faultloop.model.limits import Limits

    checks, limits, seeds = Checks(), Limits(), itertools.count()

    def once() -> None:
        answers = None if order == "fifo" else RecordedChoices(Uniform(next(seeds)))
        settings = Settings(order, answers.choose if answers is not None else None, 2, "inline", limits)
        assert not judge(execute(workloads.small, settings), checks).status.is_failure
        if answers is not None:
            hash(answers.recorded().picks)

    return once


def _swept() -> Once:
    from faultloop.checks.standard import Checks, judge
    from faultloop.deciders.calm import Calm
    from faultloop.drivers.asyncio.run import execute
    from faultloop.drivers.settings import Settings
    from faultloop.model.faults import Cancel, Expire
    from faultloop.model.limits import Limits
    from faultloop.search.conditions import Conditions
    from faultloop.search.run import run_with
    from faultloop.search.sweep import Scope, trials

    checks, limits = Checks(), Limits()
    calm = run_with(workloads.small, Calm(), Conditions.of(), collect=True)
    every = list(trials(calm, Scope((Cancel(), Expire())), lambda _: None))
    Random(0).shuffle(every)  # so that any stretch of them is like the whole
    endless = itertools.cycle(every)

    def once() -> None:
        trial = next(endless)
        facts = execute(workloads.small, Settings(limits=limits), strikes=(trial.strike,))
        assert facts.has_landed
        judge(facts, checks, (trial.planned,))

    return once


def _traced() -> Once:
    from faultloop.deciders.uniform import Uniform
    from faultloop.search.conditions import Conditions
    from faultloop.search.run import run_with

    seeds = itertools.count()
    return lambda: run_with(workloads.small, Uniform(next(seeds)), Conditions.of(), order="batch")


def _guided(name: str) -> Once:
    from faultloop.checks.standard import Checks, judge
    from faultloop.deciders.portfolio import Portfolio
    from faultloop.deciders.strategies import STRATEGIES
    from faultloop.drivers.asyncio.guided import execute_guided
    from faultloop.drivers.frames import ChainTable
    from faultloop.drivers.settings import Settings
    from faultloop.model.limits import Limits

    checks, sites, settings = Checks(), ChainTable(), Settings("any", None, None, "inline", Limits())
    strategy = Portfolio(Random(0)) if name == "portfolio" else STRATEGIES["random"](Random(0))

    def once() -> None:
        decider = strategy.decider()
        found = execute_guided(workloads.small, settings, decider, sites=sites, footprints=strategy.needs_footprints)
        strategy.learn(decider, failed=judge(found.facts, checks).status.is_failure)

    return once


CONTENDERS: dict[str, Callable[[], Once]] = {
    "asyncio": _stock,
    "virtual": _virtual,
    "fifo": functools.partial(_fast, "fifo"),
    "batch": functools.partial(_fast, "batch"),
    "swept": _swept,
    "traced": _traced,
    "walk": functools.partial(_guided, "random"),
    "portfolio": functools.partial(_guided, "portfolio"),
}
OF_PEERS: dict[str, Callable[[], Once]] = {
    **{name: functools.partial(explorer, workloads.small) for name, explorer in EXPLORERS.items()},
    "cancellens": lambda: swept_by_cancellens(functools.partial(workloads.small, 0)),
}


def measure(contender: str) -> float:
    """Runs per CPU second, in this process."""
    from faultloop.drivers.alarm import many_runs

    if contender in OF_PEERS:
        return _measure_peer(OF_PEERS[contender]())
    once = CONTENDERS[contender]()
    for _ in range(50):
        once()
    gc.collect()
    gc.freeze()
    best = 0.0
    with many_runs(60):
        for _ in range(3):
            runs, began = 0, time.process_time()
            while (seconds := time.process_time() - began) < SECONDS:
                for _ in range(20):
                    once()
                runs += 20
            best = max(best, runs / seconds)
    return best


def _measure_peer(once: Once) -> float:
    """As it ships: with its own way of collecting garbage. A sweep is as many runs as it says."""
    for _ in range(5):
        once()
    best = 0.0
    for _ in range(3):
        runs, began = 0, time.process_time()
        while (seconds := time.process_time() - began) < SECONDS:
            made = once()
            runs += made if isinstance(made, int) else 1
        best = max(best, runs / seconds)
    return best


def compare(names: list[str], rounds: int, place: Place) -> dict[str, float]:
    """The best rate of each."""
    best = dict.fromkeys(names, 0.0)
    for turn in range(rounds):
        for name in names if turn % 2 == 0 else reversed(names):
            command = [place.python, os.path.abspath(__file__), "--one", name]
            done = subprocess.run(command, env=place.variables, capture_output=True, text=True, check=True)
            best[name] = max(best[name], float(json.loads(done.stdout.splitlines()[-1])))
    return best


def main() -> int:
    """Measure everything, or one figure for a fresh process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", choices=tuple(CONTENDERS))
    parser.add_argument("--peers", action="store_true", help="simloop, simloom and cancellens as well")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one)))
        return 0
    place = place_of(with_peers=arguments.peers)
    print(f"CPython {place.version}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores")
    print(f"best of {arguments.rounds} rounds, CPU time, the small scenario")
    names = [name for name in CONTENDERS if arguments.only in (None, name) or name == "asyncio"]
    names += [*OF_PEERS] if place.has_peers else []
    best = compare(names, arguments.rounds, place)
    for name, rate in best.items():
        target = TARGETS.get(name)
        verdict = "" if target is None else f"   target {target:,}: {'reached' if rate >= target else 'MISSED'}"
        print(f"  {name:14s}{rate / best['asyncio']:6.2f} x{rate:>9,.0f} runs/s{verdict}")
    return 0 if all(best.get(name, target) >= target for name, target in TARGETS.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
