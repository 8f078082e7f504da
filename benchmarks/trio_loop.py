"""What a step costs on the trio driver, against plain trio with its own MockClock, as ratios in one run.

    python benchmarks/trio_loop.py [--rounds N]

As in loop.py, every figure is CPU time of a fresh process, contenders take turns, and the best of the rounds counts.
«armed» means that a fault waits for a step that never comes. Ratios above 1 are faster than plain trio.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # in place of this file's folder, where queue.py would hide the standard library's `queue`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

ROUNDS = 5
GOAL = 0.8
TASKS, STEPS = 100, 1_000
CONTENDERS = ("trio", "fifo", "batch", "any", "traced")
PROGRAMS = ("sleeping", "channel", "small")


async def sleeping() -> None:
    """Pure switching."""
    import trio

    async def spin() -> None:
        for _ in range(STEPS):
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        for _ in range(TASKS):
            nursery.start_soon(spin)


async def channel() -> None:
    """Items handed from one task to another."""
    import trio

    send, receive = trio.open_memory_channel[int](0)

    async def sender() -> None:
        async with send:
            for item in range(20_000):
                await send.send(item)

    async def receiver() -> None:
        async for _ in receive:
            pass

    async with trio.open_nursery() as nursery:
        nursery.start_soon(sender)
        nursery.start_soon(receiver)


async def small() -> None:
    """What an exploration runs again and again: a few tasks, a lock, a timeout."""
    import trio

    lock = trio.Lock()

    async def worker(number: int) -> None:
        for _ in range(3):
            async with lock:
                await trio.sleep(0.01 * number)
            with trio.move_on_after(1):
                await trio.sleep(0.02)

    async with trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(worker, number)


UNITS = {"sleeping": TASKS * STEPS, "channel": 40_000, "small": 200}


def once(contender: str, program: Callable[[], Awaitable[None]]) -> None:
    """One run."""
    if contender == "trio":
        import trio
        import trio.testing

        trio.run(program, clock=trio.testing.MockClock(autojump_threshold=0))
        return
    from faultloop.checks.standard import Checks, judge
    from faultloop.deciders.uniform import Uniform
    from faultloop.drivers.frames import SiteTable
    from faultloop.drivers.settings import Settings
    from faultloop.drivers.strike import Strike
    from faultloop.drivers.trio import driver
    from faultloop.engine.recorder import Recorder
    from faultloop.model.faults import Cancel
    from faultloop.model.limits import Limits
    from faultloop.model.points import Phase

    limits = Limits(steps=1 << 50, wall_seconds=3600, livelock_turns=1 << 50)
    order: Any = "batch" if contender == "traced" else contender
    settings = Settings(order, None if order == "fifo" else Uniform(1).choose, limits=limits)
    if contender == "traced":
        recorder, sites = Recorder(100_000), SiteTable(os.getcwd())
        facts, _ = driver.execute_traced(program, settings, plan=None, recorder=recorder, sites=sites)
    else:
        strike = Strike(Cancel(), Phase.PARKED, 1 << 60, 1 << 60)
        facts = driver.execute(program, settings, strikes=(strike,))
    assert not judge(facts, Checks()).status.is_failure, facts


def measure(contender: str, program: str) -> float:
    """Units per CPU second, in this process."""
    main = globals()[program]
    repeats = UNITS["small"] if program == "small" else 1
    once(contender, small)
    if contender != "trio":
        gc.disable()  # as every run of ours does
    began = time.process_time()
    for _ in range(repeats):
        once(contender, main)
    return UNITS[program] / (time.process_time() - began)


def in_fresh_process(contender: str, program: str) -> float:
    """The same, in a process that does nothing else."""
    command = [sys.executable, os.path.abspath(__file__), "--one", contender, program]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return float(json.loads(output.splitlines()[-1]))


def compare(program: str, rounds: int) -> bool:
    """Print a program's row. Returns whether the goal was reached by what explores."""
    best = dict.fromkeys(CONTENDERS, 0.0)
    for turn in range(rounds):
        for name in CONTENDERS if turn % 2 == 0 else reversed(CONTENDERS):
            best[name] = max(best[name], in_fresh_process(name, program))
    print(f"\n{program} (1.00 = plain trio: {best['trio']:,.0f} /s)")
    for name in CONTENDERS[1:]:
        ratio = best[name] / best["trio"]
        verdict = f"   goal {GOAL}: {'reached' if ratio >= GOAL else 'MISSED'}" if name in ("fifo", "batch") else ""
        print(f"  {name:8s}{ratio:6.2f} x   {best[name]:>12,.0f} /s{verdict}")
    return min(best["fifo"], best["batch"]) >= GOAL * best["trio"]


def main() -> int:
    """Measure everything, or one figure for a fresh process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--one", nargs=2, metavar=("CONTENDER", "PROGRAM"))
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(*options.one)))
        return 0
    reached = [compare(program, options.rounds) for program in PROGRAMS]
    return 0 if all(reached) else 1


if __name__ == "__main__":
    sys.exit(main())
