"""What a step costs: the deterministic loop against asyncio's own, as ratios in one run.

    python benchmarks/loop.py [--rounds N] [--only NAME] [--peers]

Every figure is CPU time of a fresh process that does nothing else; contenders take turns, and the best of the rounds
counts. Ours run as every run of ours does, without automatic garbage collection; asyncio runs with it. «armed» means
that a fault is waiting for a step that never comes. Ratios above 1 are faster than asyncio. With --peers simloop and
simloom take part (benchmarks/peers), and all of them run on the Python that these need; a peer has two rounds, and
one that needs more than SECONDS_MAX of CPU time in one of them has no figure.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import gc
import heapq
import json
import os
import platform
import resource
import subprocess
import sys
import time
from asyncio import events
from collections.abc import Callable
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # in place of this file's folder, where queue.py would hide the standard library's `queue`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks import workloads
from benchmarks.peers.loops import RUNNERS
from benchmarks.peers.place import Place, place_of
from faultloop.model.trace import Order

ROUNDS = 5
ROUNDS_OF_PEERS = 2
SECONDS_MAX = 60
"""Of CPU time, for one figure of a peer."""
TARGETS = {
    ("sleeping", "fifo"): 1.0,
    ("sleeping", "batch"): 0.85,
    ("queues", "batch"): 1.05,
    ("sleeping", "traced"): 0.35,
    ("crowd", "batch"): 0.5,
    ("timers", "fifo"): 0.8,
}


class VirtualFifo(asyncio.SelectorEventLoop):
    """The least a virtual-time loop can be: asyncio's own, with a selector that jumps to the next timer."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0

    def time(self) -> float:
        """Virtual seconds."""
        return self._now

    def _run_once(self) -> None:
        private: Any = self
        ready, scheduled = private._ready, private._scheduled
        if not ready and scheduled:
            self._now = max(self._now, scheduled[0]._when)
        while scheduled and scheduled[0]._when <= self._now:
            timer = heapq.heappop(scheduled)
            timer._scheduled = False
            ready.append(timer)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()


def _ours(order: Order) -> Any:
    """A fast loop with a fault armed far away."""
    from faultloop.deciders.uniform import Uniform
    from faultloop.drivers.asyncio.loop import Loop
    from faultloop.drivers.asyncio.sweep import Sweeper
    from faultloop.drivers.strike import Strike
    from faultloop.model.faults import Cancel
    from faultloop.model.limits import Limits
    from faultloop.model.points import Phase

    limits = Limits(steps=1 << 50, wall_seconds=3600)
    loop = Loop(order=order, choose=None if order == "fifo" else Uniform(1).choose, limits=limits)
    Sweeper(loop, (Strike(Cancel(), Phase.PARKED, 1 << 60, 1 << 60),))
    return loop


def _traced() -> Any:
    """A loop that records everything."""
    from faultloop.deciders.uniform import Uniform
    from faultloop.drivers.asyncio.trace import TracedLoop, Tracer
    from faultloop.drivers.frames import SiteTable
    from faultloop.engine.recorder import Recorder
    from faultloop.model.limits import Limits

    limits = Limits(steps=1 << 50, wall_seconds=3600)
    loop = TracedLoop(order="batch", choose=Uniform(1).choose, limits=limits)
    Tracer(loop, None, Recorder(100_000), SiteTable(os.getcwd()))
    return loop


CONTENDERS: dict[str, Callable[[], Any]] = {
    "asyncio": asyncio.SelectorEventLoop,
    "virtual fifo": VirtualFifo,
    "fifo": lambda: _ours("fifo"),
    "batch": lambda: _ours("batch"),
    "any": lambda: _ours("any"),
    "traced": _traced,
}
PROGRAMS: dict[str, Callable[[], tuple[Any, int]]] = {
    "sleeping": workloads.sleeping,
    "queues": workloads.queues,
    "timers": workloads.timers,
    "crowd": workloads.crowd,
}
ROWS = {
    "sleeping": ("asyncio", "fifo", "batch", "any", "traced"),
    "queues": ("asyncio", "fifo", "batch", "any", "traced"),
    "timers": ("virtual fifo", "fifo", "batch"),
    "crowd": ("asyncio", "fifo", "batch"),
    "small": ("virtual fifo", "fifo", "batch", "sweep"),
}
PROGRAMS_OF_PEERS = ("sleeping", "queues", "timers", "crowd")
"""What a fresh small run costs them is in exploring.py."""


def measure(contender: str, program: str) -> dict[str, float]:
    """One figure, in this process: CPU seconds and what the program returned."""
    if contender in RUNNERS:
        return _measure_peer(contender, program)
    if contender not in ("asyncio", "virtual fifo"):
        gc.disable()  # as every run of ours does: automatic collection would run finalizers at any step
    if program == "small":
        return _measure_small(contender)
    make, (main, units) = CONTENDERS[contender], PROGRAMS[program]()
    loop = make()
    began = time.process_time()
    returned = loop.run_until_complete(main())
    seconds = time.process_time() - began
    events._set_running_loop(None)
    loop.close()
    return {"rate": units / seconds, "memory": float(returned or 0)}


def _measure_peer(contender: str, program: str) -> dict[str, float]:
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS_MAX, SECONDS_MAX))
    main, units = PROGRAMS[program]()
    began = time.process_time()
    returned = RUNNERS[contender](main)
    return {"rate": units / (time.process_time() - began), "memory": float(returned or 0)}


def _measure_small(contender: str, runs: int = 400) -> dict[str, float]:
    once = _one_sweep_run() if contender == "sweep" else functools.partial(_one_run, CONTENDERS[contender])
    for _ in range(20):
        once()
    began = time.process_time()
    for _ in range(runs):
        once()
    return {"rate": runs / (time.process_time() - began), "memory": 0.0}


def _one_run(make: Callable[[], Any]) -> None:
    loop = make()
    loop.run_until_complete(workloads.small())
    loop.close()


def _one_sweep_run() -> Callable[[], None]:
    """A run as an exploration makes it: with a fault by step number, judged by the standard checks, torn down."""
    from faultloop.checks.standard import Checks, judge
    from faultloop.deciders.uniform import Uniform
    from faultloop.drivers.asyncio.run import execute
    from faultloop.drivers.settings import Settings
    from faultloop.drivers.strike import Strike
    from faultloop.model.faults import Cancel
    from faultloop.model.points import Phase

    checks, strike = Checks(), Strike(Cancel(), Phase.PARKED, 1 << 60, 1 << 60)

    def once() -> None:
        settings = Settings("batch", Uniform(1).choose)
        assert not judge(execute(workloads.small, settings, strikes=(strike,)), checks).status.is_failure

    return once


def _in_fresh_process(contender: str, program: str, place: Place) -> dict[str, float] | None:
    command = [place.python, os.path.abspath(__file__), "--one", contender, program]
    done = subprocess.run(command, env=place.variables, capture_output=True, text=True, check=contender not in RUNNERS)
    return None if done.returncode else dict(json.loads(done.stdout.splitlines()[-1]))


def compare(program: str, rounds: int, place: Place) -> bool:
    """Print a program's row for every contender. Returns whether every target was reached."""
    names = (*ROWS[program], *(RUNNERS if place.has_peers and program in PROGRAMS_OF_PEERS else ()))
    best: dict[str, dict[str, float]] = {}
    gave_up: set[str] = set()
    for turn in range(rounds):
        for name in names if turn % 2 == 0 else reversed(names):
            if name in gave_up or (name in RUNNERS and turn >= ROUNDS_OF_PEERS):
                continue
            figure = _in_fresh_process(name, program, place)
            if figure is None:
                gave_up.add(name)
            elif name not in best or figure["rate"] > best[name]["rate"]:
                best[name] = figure
    base = best[names[0]]
    print(f"\n{program} (1.00 = {names[0]}: {base['rate']:,.0f} /s)")
    reached = True
    for name in names[1:]:
        if name not in best:
            print(f"  {name:14s}  not done after {SECONDS_MAX} s of CPU time")
            continue
        ratio = best[name]["rate"] / base["rate"]
        target = TARGETS.get((program, name))
        verdict = ""
        if target is not None:
            reached &= ratio >= target
            verdict = f"   target {target:.2f}: {'reached' if ratio >= target else 'MISSED'}"
        memory = f"   peak memory {best[name]['memory'] / base['memory']:.2f} x" if base["memory"] else ""
        print(f"  {name:14s}{ratio:6.2f} x{memory}   {best[name]['rate']:>12,.0f} /s{verdict}")
    return reached


def main() -> int:
    """Measure everything, or one figure for a fresh process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", choices=tuple(ROWS))
    parser.add_argument("--peers", action="store_true", help="simloop and simloom as well")
    parser.add_argument("--one", nargs=2, metavar=("CONTENDER", "PROGRAM"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(*arguments.one)))
        return 0
    place = place_of(with_peers=arguments.peers)
    print(f"CPython {place.version}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores")
    print(f"best of {arguments.rounds} rounds, CPU time")
    results = [compare(program, arguments.rounds, place) for program in ROWS if arguments.only in (None, program)]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
