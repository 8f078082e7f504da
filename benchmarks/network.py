"""What a message costs: the simulated network against real loopback sockets under stock asyncio, as a ratio in one run.

    python benchmarks/network.py [--rounds N]

An echo over asyncio's streams, one connection and many. Each figure is CPU time, the kernel's share included, of a
fresh process that does nothing else; contenders take turns, and the best of the rounds counts. The simulated network is
run as a calm run of ours is: no fault armed, no trace in full. Ratios above 1 are faster than stock asyncio.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # in place of this file's folder, where queue.py would hide the standard library's `queue`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from faultloop import Limits
from faultloop.drivers.asyncio.run import execute
from faultloop.drivers.settings import Settings
from faultloop.model.world import World
from faultloop.world.modes import network_of

ROUNDS = 5
TARGET = 2.0
MESSAGES = 20_000
SIZE = 64
UNLIMITED = 10**9


async def echo(connections: int) -> None:
    """MESSAGES questions and as many answers, spread over the connections."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while question := await reader.read(SIZE):
            writer.write(question)
        writer.close()

    async def ask(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(MESSAGES // connections):
            writer.write(b"x" * SIZE)
            await reader.readexactly(SIZE)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await asyncio.gather(*(ask(port) for _ in range(connections)))
    server.close()


def on_stock_asyncio(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Real loopback sockets, asyncio's own loop."""
    asyncio.run(main())


def on_simulated_network(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Our loop, and nothing of the kernel's."""
    limits = Limits(steps=UNLIMITED, livelock_turns=UNLIMITED, wall_seconds=600)
    facts = execute(main, Settings(limits=limits, network=network_of(World("simulated"))))
    assert facts.error is None, facts
    assert facts.halted is None, facts


CONTENDERS = {"stock": on_stock_asyncio, "simulated": on_simulated_network}


def measure(contender: str, connections: int) -> float:
    """Messages a second of CPU time, in this process."""
    began = time.process_time()
    CONTENDERS[contender](lambda: echo(connections))
    return 2 * MESSAGES / (time.process_time() - began)


def measure_apart(contender: str, connections: int) -> float:
    """The same, in a process of its own."""
    command = [sys.executable, __file__, "--one", contender, str(connections)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    """Measure, print, and say whether the target is met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(measure(options.one[0], int(options.one[1])))
        return
    print(f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} processors; messages a second")
    missed = False
    for connections in (1, 100):
        best = dict.fromkeys(CONTENDERS, 0.0)
        for _ in range(options.rounds):
            for contender in CONTENDERS:
                best[contender] = max(best[contender], measure_apart(contender, connections))
        ratio = best["simulated"] / best["stock"]
        missed = missed or ratio < TARGET
        print(
            f"  echo, {connections:3} connections   stock asyncio on loopback {best['stock']:9,.0f}   "
            f"simulated {best['simulated']:9,.0f}   {ratio:.2f} × (at least {TARGET:g} ×)"
        )
    sys.exit(missed)


if __name__ == "__main__":
    main()
