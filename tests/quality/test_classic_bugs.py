"""Six classic bugs of async programs: which of them exploring finds, and what it takes.

Each passes in asyncio's own order. Some need a task to be held back for a turn, which no production loop does by itself
but any slower I/O does: those are found at order level `any`, and the test says so.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest

from faultloop import Exploration, Status, explore, replay, run
from faultloop.model.trace import Order

Scenario = Callable[[], Coroutine[Any, Any, object]]
RUNS = 200


async def pause(turns: int = 1) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


async def lost_update() -> None:
    """Read, wait, write: the other one read before the write."""
    counter = 0

    async def add(turns_before: int) -> None:
        nonlocal counter
        await pause(turns_before)
        seen = counter
        await pause()
        counter = seen + 1

    await asyncio.gather(add(0), add(2))
    assert counter == 2, f"lost update: {counter}"


async def check_then_act() -> None:
    """Two callers see that the cache is empty, and both compute."""
    cache: dict[str, int] = {}
    calls = 0

    async def get(turns_before: int) -> int:
        nonlocal calls
        await pause(turns_before)
        if "k" not in cache:
            calls += 1
            await pause(2)  # computing
            cache["k"] = calls
        return cache["k"]

    await asyncio.gather(get(0), get(4), get(5))
    assert calls == 1, f"computed {calls} times"


async def lock_order() -> None:
    """Two locks, taken in opposite orders."""
    one, two = asyncio.Lock(), asyncio.Lock()

    async def take(first: asyncio.Lock, second: asyncio.Lock, turns_before: int) -> None:
        await pause(turns_before)
        async with first:
            await pause()
            async with second:
                await pause()

    await asyncio.gather(take(one, two, 0), take(two, one, 6))


async def lost_wakeup() -> None:
    """The check is outside the lock, and the notification comes between the check and the wait."""
    condition, is_ready = asyncio.Condition(), False

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

    await asyncio.gather(waiter(), notifier())


async def cancel_leak() -> None:
    """A slot is acquired one await before the `try` that gives it back."""
    slots = asyncio.Semaphore(1)

    async def use() -> None:
        await slots.acquire()
        await pause()
        try:
            await pause(3)
        finally:
            slots.release()

    task = asyncio.create_task(use(), name="user")
    with suppress(asyncio.CancelledError):
        await task
    assert not slots.locked(), "the slot leaked"


async def timeout_tie() -> None:
    """What is handed over at the very instant of the timeout belongs to nobody."""
    free: list[str] = []
    waiters: list[asyncio.Future[str]] = []
    got = ""

    async def acquire() -> str:
        waiter: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        waiters.append(waiter)
        return await waiter

    def release(connection: str) -> None:
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(connection)
                return
        free.append(connection)

    async def client() -> None:
        nonlocal got
        with suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                got = await acquire()

    async def releaser() -> None:
        await asyncio.sleep(1.0)
        release("connection")

    await asyncio.gather(client(), releaser())
    assert got or free, "the connection is lost"


BUGS: tuple[Scenario, ...] = (lost_update, check_then_act, lock_order, lost_wakeup, cancel_leak, timeout_tie)
BY_DEFAULT: dict[Scenario, tuple[str, Order]] = {
    cancel_leak: ("cancel cancel_leak/user @ pause>sleep #1 parked", "fifo"),
    timeout_tie: ("", "batch"),
}
AT_LEVEL_ANY: dict[Scenario, str] = {
    lost_update: "lost update: 1",
    check_then_act: "computed 2 times",
    lock_order: "deadlock",
    lost_wakeup: "deadlock",
}


def name_of(program: object) -> str:
    return getattr(program, "__name__", str(program))


def the_failure(found: Exploration, message: str) -> Any:
    assert found.status == "violated", found
    return next(failure for failure in found.failures if message in failure.message)


def test_every_bug_is_accounted_for():
    assert {*BY_DEFAULT, *AT_LEVEL_ANY} == set(BUGS)


@pytest.mark.parametrize("bug", BUGS, ids=name_of)
def test_asyncios_own_order_shows_none_of_them(bug: Scenario):
    assert run(bug).status is Status.PASSED


@pytest.mark.parametrize("bug", BY_DEFAULT, ids=name_of)
def test_exploring_by_default_finds_it(bug: Scenario):
    fault, order = BY_DEFAULT[bug]
    found = explore(bug, runs=RUNS)
    assert found.status == "violated"
    assert found.runs <= RUNS
    assert (fault, order) in [(failure.fault, failure.order) for failure in found.failures]


@pytest.mark.parametrize("bug", AT_LEVEL_ANY, ids=name_of)
def test_exploring_at_level_any_finds_it(bug: Scenario):
    found = explore(bug, runs=RUNS, order="any")
    failure = the_failure(found, AT_LEVEL_ANY[bug])
    assert (failure.order, found.runs) == ("any", RUNS)


@pytest.mark.parametrize("bug", AT_LEVEL_ANY, ids=name_of)
def test_a_bug_that_needs_holding_back_is_none_of_batch(bug: Scenario):
    """No order of one turn shows it, nor any single cancellation with such an order: the level is what it takes."""
    assert explore(bug, runs=RUNS).status == "passed"


@pytest.mark.parametrize("bug", BUGS, ids=name_of)
def test_each_failure_replays_to_one_digest(bug: Scenario):
    found = explore(bug, runs=RUNS, order="any")
    for failure in found.failures[:3]:
        assert {replay(failure.trace, bug).run.trace.digest for _ in range(10)} == {failure.trace.digest}


def test_a_deadlock_names_who_waits_for_whom():
    failure = the_failure(explore(lock_order, runs=RUNS, order="any"), "deadlock")
    waiting = {line.task: line for line in failure.trace.outcome.waiting}
    first, second = waiting["lock_order/take"], waiting["lock_order/take#2"]
    assert (first.needs, first.owner) == ("release()", "lock_order/take#2")
    assert (second.needs, second.owner) == ("release()", "lock_order/take")
