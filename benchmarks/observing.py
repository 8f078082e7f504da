"""What observing costs: code that does nothing but touch plain state, as ratios in one run.

    python benchmarks/observing.py [--rounds N]

Each workload runs plain, observed and idle (nobody records), and observed while recording; all in one process, in
turns, and the best of the rounds counts, in CPU time. A figure of 3 means that it takes three times as long as plain.
Whole runs of a small program, with the loop around them, are compared with runs that record nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

if __name__ == "__main__":  # in place of this file's folder, where queue.py would hide the standard library's `queue`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from faultloop.drivers.asyncio.guided import execute_guided
from faultloop.drivers.frames import ChainTable
from faultloop.drivers.observed.observing import observed
from faultloop.drivers.settings import Settings
from faultloop.drivers.touches import SEEN, record_touches

ROUNDS = 5
TIMES = 20_000
total = 0


class Account:
    """Plain state."""

    def __init__(self) -> None:
        self.balance = 0
        self.log: list[int] = []
        self.rates = {"a": 1}

    def pay(self, amount: int) -> None:
        """One attribute is read and written."""
        self.balance += amount


def attributes() -> None:
    """A method call that reads and writes an attribute."""
    account = Account()
    for _ in range(TIMES):
        account.pay(1)


def items() -> None:
    """An item of a dictionary that hangs on an attribute is read and written."""
    account = Account()
    for _ in range(TIMES):
        account.rates["a"] += 1


def methods() -> None:
    """A list that hangs on an attribute grows and shrinks."""
    account = Account()
    for amount in range(TIMES):
        account.log.append(amount)
        account.log.pop()


def variables() -> None:
    """A global and a closure's variable are read and written."""
    count = 0

    def add() -> None:
        nonlocal count
        global total
        count += 1
        total += 1

    for _ in range(TIMES):
        add()


def locals_only() -> None:
    """Arithmetic on local variables, which nobody shares."""
    a, b = 0, 1
    for _ in range(TIMES):
        a, b = b, (a + b) % 1_000_003


async def bank() -> None:
    """Ten tasks that read, wait and write."""
    account = Account()

    async def deposit() -> None:
        for _ in range(10):
            seen = account.balance
            await asyncio.sleep(0)
            account.balance = seen + 1
            account.log.append(seen)

    await asyncio.gather(*(deposit() for _ in range(10)))


class _Oldest:
    """Answers every question alike, so that all runs are the same."""

    def made(self, task: int, /) -> None:
        """A task was made."""

    def pick(self, _tasks: object, _sites: object, /) -> int:
        """The oldest."""
        return 0

    def ran(self, task: int, site: int, touched: object, /) -> None:
        """A step is over."""


def explored(*, footprints: bool) -> None:
    """Forty runs."""
    sites = ChainTable()
    for _ in range(40):
        execute_guided(bank, Settings("any", None, None), _Oldest(), sites=sites, footprints=footprints)


@contextmanager
def recording() -> Iterator[None]:
    """Touches go to a list, as in a guided run, and each step is one call of the workload."""
    touched: list[tuple[int, bool]] = []
    SEEN.clear()
    record_touches(touched.append)
    try:
        yield
    finally:
        record_touches(None)


def seconds(action: Callable[[], None]) -> float:
    """CPU time of one call."""
    gc.collect()
    gc.disable()
    began = time.process_time()
    action()
    spent = time.process_time() - began
    gc.enable()
    return spent


def recorded(action: Callable[[], None]) -> float:
    """CPU time of one call while touches are recorded."""
    with recording():
        return seconds(action)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What observing costs.")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = parser.parse_args().rounds
    workloads = (attributes, items, methods, variables, locals_only)
    print(f"Python {sys.version.split()[0]}, best of {rounds}; plain = 1")
    print(f"{'':14} {'idle':>6} {'recording':>10}")
    for action in workloads:
        plain = idle = busy = float("inf")
        for _ in range(rounds):
            plain = min(plain, seconds(action))
            with observed([__name__]):
                idle = min(idle, seconds(action))
                busy = min(busy, recorded(action))
        print(f"{action.__name__:14} {idle / plain:6.1f} {busy / plain:10.1f}")
    without = primitives = every = float("inf")
    for _ in range(rounds):
        without = min(without, seconds(lambda: explored(footprints=False)))
        primitives = min(primitives, seconds(lambda: explored(footprints=True)))
        with observed([__name__]):
            every = min(every, seconds(lambda: explored(footprints=True)))
    print(
        f"runs of 10 tasks, 100 steps that share: primitives {primitives / without:.2f}, observed {every / without:.2f}"
    )
    began = time.perf_counter()
    with observed([__name__]):
        spent = time.perf_counter() - began
    objects = len(gc.get_objects())
    print(f"entering and leaving, {objects:,} objects: {spent * 1000:.0f} ms to enter, ", end="")
    print(f"{(time.perf_counter() - began - spent) * 1000:.0f} ms to leave")


if __name__ == "__main__":
    main()
