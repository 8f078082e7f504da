"""FM_022: an outage of ten seconds makes an overload that holds itself up when the outage is over.

broken     whatever failed is tried again after its back-off, with jitter
guarded    the same within a budget: of the retries that are due, a fifth of the fresh work is admitted

A model in steps of one second: 6 fresh jobs a second for a service that bears 10 calls, and that does half of its work
while it gets more. The full size, and what other policies make of it: `table.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

import anyio

from faultloop import note

CAPACITY = 10
FRESH = 6
RETRIES_PER_SECOND = 1  # a fifth of the fresh work
OUTAGE_SECONDS = 10
SECONDS = 40
TRIES = 10
BACKOFF_MAX_SECONDS = 8
PING_SECONDS = 2.0


@dataclass(slots=True)
class Load:
    """Where the system stands. calls, done: in each second.   retries: (when it is due, failures so far).

    limit: how many retries are admitted in a second, None for all that are due.
    """

    limit: int | None
    second: int = 0
    calls: list[int] = field(default_factory=list)
    done: list[int] = field(default_factory=list)
    retries: list[tuple[int, int]] = field(default_factory=list)
    dead: int = 0


def admitted(load: Load, second: int) -> list[tuple[int, int]]:
    """The retries of a second. One that the budget has no room for waits, and fails no further."""
    due = sorted(retry for retry in load.retries if retry[0] <= second)
    return due[: load.limit]


def live(load: Load, is_up: bool, chance: Random) -> None:
    """One second: fresh jobs and retries are called, and what fails is planned again."""
    again = admitted(load, load.second)
    for retry in again:
        load.retries.remove(retry)
    failures = [0] * FRESH + [failures for _, failures in again]
    chance.shuffle(failures)
    bears = 0 if not is_up else CAPACITY if len(failures) <= CAPACITY else CAPACITY // 2
    load.calls.append(len(failures))
    load.done.append(min(bears, len(failures)))
    for failed in failures[bears:]:
        pause = max(1, int(chance.uniform(0, min(BACKOFF_MAX_SECONDS, 2 ** (failed + 1)))))
        if failed + 1 < TRIES:
            load.retries.append((load.second + pause, failed + 1))
        else:
            load.dead += 1
    load.second += 1
    note(f"attempts per second = {load.calls[-1]}")
    note(f"retries per fresh job = {len(again) / FRESH:.2f}")
    note(f"backlog of retries = {len(load.retries)}")
    note(f"goodput per second = {load.done[-1]}")


async def broken() -> None:
    """Retries without a budget."""
    assert_holds(await damaged())


async def guarded() -> None:
    """Retries within one."""
    assert_holds(await work(RETRIES_PER_SECOND))


async def damaged() -> Load:
    """What retries without a budget leave behind."""
    return await work(None)


async def work(limit: int | None) -> Load:
    """Workers call a database; a watcher that misses its ping fails over, which takes ten seconds."""
    load, chance = Load(limit), Random(22)
    up_at = 0

    async def watch() -> None:
        nonlocal up_at
        with anyio.move_on_after(PING_SECONDS) as ping:
            await anyio.sleep(0.2)  # the question travels
            await anyio.sleep(0.2)  # so does the answer
        if ping.cancelled_caught:
            up_at = load.second + OUTAGE_SECONDS

    async def serve() -> None:
        while load.second < SECONDS:
            await anyio.sleep(1)
            live(load, load.second >= up_at, chance)

    async with anyio.create_task_group() as group:
        group.start_soon(watch, name="watcher")
        group.start_soon(serve, name="workers")
    return load


def assert_holds(load: Load) -> None:
    """The invariant, which is the detection as well: what the next second asks for, the service bears."""
    offered = FRESH + len(admitted(load, load.second))
    assert offered <= CAPACITY, (
        f"an overload ends with its cause: the service has long been well and bears {CAPACITY} calls, {offered} are "
        f"coming, {offered - FRESH} of them retries; it does {load.done[-1]} a second of the {FRESH} that are new"
    )


async def repair(load: Load) -> None:
    """Throttle retries by hand. What has failed waits, the service gets well, and the rest drains within the limit."""
    await anyio.sleep(0.1)
    load.limit = RETRIES_PER_SECOND
