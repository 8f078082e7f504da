"""FM_009: an outage ends, and the retries of all that failed meanwhile keep the service down.

broken     what fails is tried again five seconds later
guarded    retries have a budget, a fifth of the fresh work; what is above it waits for its turn

A model in steps of one second: 6 fresh jobs a second for a service that bears 10 calls a second, and an outage of 30 s.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import anyio

CAPACITY = 10
FRESH = 6
RETRY_SECONDS = 5
RETRIES_PER_FRESH = 0.2
OUTAGE_SECONDS = 30
SECONDS = 45
PING_SECONDS = 2.0


@dataclass(slots=True)
class Load:
    """What was called and what is planned. second: now.   calls: made in each second.   retries: when each is due."""

    second: int = 0
    calls: list[int] = field(default_factory=list)
    retries: list[int] = field(default_factory=list)


Policy = Callable[[int], int]
"""When to try again what failed in a second."""


def soon(second: int) -> int:
    """Five seconds later, each and all."""
    return second + RETRY_SECONDS


class Budget:
    """Five seconds later or when the budget has room, whichever is later. It spreads the retries as well."""

    def __init__(self) -> None:
        self._taken_until = 0.0

    def __call__(self, second: int) -> int:
        """The second of the next retry."""
        self._taken_until = max(self._taken_until, soon(second)) + 1 / (FRESH * RETRIES_PER_FRESH)
        return int(self._taken_until)


async def broken() -> None:
    """Retries without a budget."""
    assert_holds(await damaged())


async def guarded() -> None:
    """Retries within one."""
    assert_holds(await work(Budget()))


async def damaged() -> Load:
    """What retries without a budget leave planned."""
    return await work(soon)


async def work(policy: Policy) -> Load:
    """Workers call a database; a watcher that misses one ping fails over, which takes half a minute."""
    load = Load()
    down_until = 0

    async def watch() -> None:
        nonlocal down_until
        while True:
            with anyio.move_on_after(PING_SECONDS) as ping:
                await anyio.sleep(0.2)  # the question travels
                await anyio.sleep(0.2)  # so does the answer
            if ping.cancelled_caught:
                down_until = load.second + OUTAGE_SECONDS
            await anyio.sleep(20)

    async def serve() -> None:
        for second in range(SECONDS):
            await anyio.sleep(1)
            load.second = second
            due = FRESH + load.retries.count(second)
            load.retries = [at for at in load.retries if at != second]
            load.calls.append(due)
            done = min(due, CAPACITY) if second >= down_until else 0
            load.retries += [policy(second) for _ in range(due - done)]

    async with anyio.create_task_group() as group:
        group.start_soon(watch, name="watcher")
        await serve()
        group.cancel_scope.cancel()
    return load


def crowded(load: Load) -> list[int]:
    """The detection, a histogram of what is due: seconds to come with more calls planned than the service bears."""
    return sorted(at for at, planned in Counter(load.retries).items() if FRESH + planned > CAPACITY)


def assert_holds(load: Load) -> None:
    """The invariant."""
    planned = Counter(load.retries)
    worst = max(crowded(load), key=lambda at: planned[at], default=load.second)
    assert not crowded(load), (
        f"no second has more than {CAPACITY} calls planned: second {worst} has {FRESH + planned[worst]}"
    )


async def repair(load: Load) -> None:
    """Spread what is planned: a crowded second's surplus goes to the next seconds that have room."""
    while seconds := crowded(load):
        await anyio.sleep(0.1)  # the retries of one second are locked, and what follows is one transaction
        planned, at = Counter(load.retries), seconds[0]
        for _ in range(planned[at] - (CAPACITY - FRESH)):
            free = at
            while FRESH + planned[free] >= CAPACITY:
                free += 1
            load.retries.remove(at)
            load.retries.append(free)
            planned[free] += 1
