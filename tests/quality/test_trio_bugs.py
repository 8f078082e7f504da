"""Classic bugs of trio programs: exploring finds each by itself, within 200 runs, and its trace replays.

Each passes in the calm order. They hang or go wrong in some other order of what is ready together, which is all that
trio leaves open.
"""

from collections.abc import Awaitable, Callable

import pytest
import trio

from faultloop import Status, explore, replay, run

Scenario = Callable[[], Awaitable[object]]
RUNS = 200


async def pause(turns: int = 1) -> None:
    for _ in range(turns):
        await trio.lowlevel.checkpoint()


async def lost_update() -> None:
    """Read, wait, write: the other one read before the write, if it came late by a turn."""
    shared = {"x": 0}

    async def add(turns_before: int) -> None:
        await pause(turns_before)
        seen = shared["x"]
        await pause()
        shared["x"] = seen + 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(add, 0)
        nursery.start_soon(add, 1)
    assert shared["x"] == 2, f"lost update: {shared['x']}"


async def lock_order() -> None:
    """Two locks, taken in opposite orders."""
    one, two = trio.Lock(), trio.Lock()

    async def take(turns_before: int, first: trio.Lock, second: trio.Lock) -> None:
        await pause(turns_before)
        async with first:
            await pause()
            async with second:
                await pause()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take, 0, one, two)
        nursery.start_soon(take, 6, two, one)


async def lost_wakeup() -> None:
    """The flag is looked at, and only then somebody waits to be told of it."""
    is_ready = False
    condition = trio.Condition()

    async def waiter() -> None:
        if not is_ready:
            await pause()
            async with condition:
                await condition.wait()

    async def notifier() -> None:
        nonlocal is_ready
        await pause(4)
        is_ready = True
        async with condition:
            condition.notify_all()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(waiter)
        nursery.start_soon(notifier)


async def leaked_slot() -> None:
    """A slot is taken, and not given back where its holder is cancelled."""
    free = trio.Semaphore(1)

    async def worker() -> None:
        await free.acquire()
        await trio.sleep(0.1)
        free.release()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(worker)
    assert free.value == 1, "a slot has leaked"


@pytest.mark.parametrize(
    ("scenario", "status"),
    [
        (lost_update, Status.VIOLATED),
        (lock_order, Status.DEADLOCKED),
        (lost_wakeup, Status.DEADLOCKED),
        (leaked_slot, Status.VIOLATED),
    ],
)
def test_a_bare_explore_finds_the_bug_and_its_trace_replays(scenario: Scenario, status: Status):
    assert run(scenario, driver="trio").status is Status.PASSED
    found = explore(scenario, driver="trio", runs=RUNS)
    assert found.status == "violated", found.reason
    assert {failure.trace.outcome.status for failure in found.failures} == {status}
    again = replay(found.failures[0].trace, scenario)
    assert again.same_digest
    assert again.run.trace.env.driver == "trio"
