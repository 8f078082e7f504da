"""FM_010: clients that were told to come back at the same moment do so, and stay in step for ever.

broken     a client comes back when it was told
guarded    it comes back some time after that, which each one draws for itself

They were started one after the other and called evenly. One outage lines them up, and nothing scatters them again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import anyio

CLIENTS = 8
PERIOD_SECONDS = 10.0
OUTAGE_SECONDS = 15.0
SHIFT_SECONDS = 40.0
AT_ONCE_MAX = 4
PING_SECONDS = 2.0


@dataclass(slots=True)
class Rhythm:
    """When clients call, in seconds since the beginning. calls: those made.   due: the next one of each client."""

    calls: list[float] = field(default_factory=list)
    due: dict[int, float] = field(default_factory=dict)


Return = Callable[[float], float]
"""How long to wait before coming back, of how long was told."""


def as_told(told: float) -> float:
    """To the second."""
    return told


def scattered() -> Return:
    """Later than was told, never earlier, by up to a period: as evenly as before."""
    chance = Random(10)

    def wait(told: float) -> float:
        return told + chance.uniform(0, PERIOD_SECONDS)

    return wait


async def broken() -> None:
    """Clients that come back as told."""
    assert_holds(await damaged())


async def guarded() -> None:
    """Clients that scatter."""
    assert_holds(await work(scattered()))


async def damaged() -> Rhythm:
    """What clients that come back as told leave behind."""
    return await work(as_told)


async def work(comes_back: Return) -> Rhythm:
    """Clients call a broker every ten seconds; a watcher that misses one ping restarts it, which takes fifteen."""
    rhythm = Rhythm()
    began = anyio.current_time()
    up_at = 0.0

    def now() -> float:
        return anyio.current_time() - began

    async def watch() -> None:
        nonlocal up_at
        with anyio.move_on_after(PING_SECONDS) as ping:
            await anyio.sleep(0.2)  # the question travels
            await anyio.sleep(0.2)  # so does the answer
        if ping.cancelled_caught:
            up_at = now() + OUTAGE_SECONDS

    async def call(client: int) -> None:
        await anyio.sleep(PERIOD_SECONDS * client / CLIENTS)
        while now() < SHIFT_SECONDS:
            rhythm.calls.append(now())
            is_up = now() >= up_at
            wait = PERIOD_SECONDS if is_up else comes_back(up_at - now())  # 503, Retry-After: …
            rhythm.due[client] = now() + wait
            await anyio.sleep(wait)

    async with anyio.create_task_group() as group:
        group.start_soon(watch, name="watcher")
        for client in range(CLIENTS):
            group.start_soon(call, client, name=f"client-{client}")
    return rhythm


def per_second(times: list[float]) -> Counter[int]:
    """How many fall into each second."""
    return Counter(int(time) for time in times)


def crowded(rhythm: Rhythm) -> list[int]:
    """The detection: seconds to come in which more than half of the clients call."""
    return sorted(at for at, calls in per_second(list(rhythm.due.values())).items() if calls > AT_ONCE_MAX)


def assert_holds(rhythm: Rhythm) -> None:
    """The invariant."""
    due = per_second(list(rhythm.due.values()))
    told = ", ".join(f"{due[at]} in second {at}" for at in crowded(rhythm))
    assert not told, f"at most {AT_ONCE_MAX} of {CLIENTS} clients call within one second: {told}"


async def repair(rhythm: Rhythm) -> None:
    """Move one client of a crowded second after the other to the next second that is empty, as a slow restart does."""
    while crowded(rhythm):
        await anyio.sleep(0.1)  # one client is restarted, unless somebody else did it meanwhile
        for second in crowded(rhythm)[:1]:
            due = per_second(list(rhythm.due.values()))
            client = next(client for client, at in rhythm.due.items() if int(at) == second)
            rhythm.due[client] = next(float(at) for at in range(second, second + CLIENTS + 1) if due[at] == 0)
