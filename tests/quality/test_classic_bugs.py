"""Six classic bugs of async programs: exploring finds each by itself, within 200 runs, and says what it takes.

Each passes in asyncio's own order. Some need a task to be held back for a turn, which no production loop does by itself
but any slower I/O does: those are found at order level `any`, and their failure says so.
"""

import asyncio
import functools
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
WHAT_IT_TAKES: dict[Scenario, tuple[str, Order, str]] = {
    cancel_leak: ("cancel cancel_leak/user @ pause>sleep #1 parked", "fifo", "the slot leaked"),
    timeout_tie: ("", "batch", "the connection is lost"),
    lost_update: ("", "any", "lost update: 1"),
    check_then_act: ("", "any", "computed 2 times"),
    lock_order: ("", "any", "deadlock"),
    lost_wakeup: ("", "any", "deadlock"),
}
"""The fault if there is one, the order level, and what the failure says."""
ONE_ORDER = (lost_update, check_then_act, lock_order, lost_wakeup)


def name_of(program: object) -> str:
    return getattr(program, "__name__", str(program))


def the_failure(found: Exploration, message: str) -> Any:
    assert found.status == "violated", found
    return next(failure for failure in found.failures if message in failure.message)


@functools.cache
def explored(bug: Scenario, seed: int = 0) -> Exploration:
    return explore(bug, runs=RUNS, seed=seed)


def test_every_bug_is_accounted_for():
    assert set(WHAT_IT_TAKES) == set(BUGS)


@pytest.mark.parametrize("bug", BUGS, ids=name_of)
def test_asyncios_own_order_shows_none_of_them(bug: Scenario):
    assert run(bug).status is Status.PASSED


@pytest.mark.parametrize("bug", BUGS, ids=name_of)
def test_a_bare_exploration_finds_it(bug: Scenario):
    fault, order, message = WHAT_IT_TAKES[bug]
    found = explored(bug)
    failure = the_failure(found, message)
    assert (failure.fault, failure.order) == (fault, order)
    assert found.runs <= RUNS


@pytest.mark.parametrize("bug", BUGS, ids=name_of)
@pytest.mark.parametrize("seed", range(1, 6))
def test_it_does_not_take_a_lucky_seed(bug: Scenario, seed: int):
    the_failure(explored(bug, seed), WHAT_IT_TAKES[bug][2])


@pytest.mark.parametrize("bug", ONE_ORDER, ids=name_of)
def test_an_order_bug_shrinks_to_one_order_or_two_and_each_matters(bug: Scenario):
    for seed in range(6):
        failure = the_failure(explored(bug, seed), WHAT_IT_TAKES[bug][2])
        assert 1 <= failure.deviations <= 2
        assert failure.attempts <= 300
        assert all(departure.matters for departure in failure.trace.choices.departures)


@pytest.mark.parametrize("bug", ONE_ORDER, ids=name_of)
def test_a_bug_that_needs_holding_back_is_none_of_batch(bug: Scenario):
    """No order of one turn shows it, nor any single cancellation with such an order: the level is what it takes."""
    assert explore(bug, runs=RUNS, order="batch").status == "passed"


@pytest.mark.parametrize("bug", BUGS, ids=name_of)
def test_each_failure_replays_to_one_digest(bug: Scenario):
    for failure in explored(bug).failures[:3]:
        assert {replay(failure.trace, bug).run.trace.digest for _ in range(10)} == {failure.trace.digest}


def test_a_deadlock_names_who_waits_for_whom():
    failure = the_failure(explored(lock_order), "deadlock")
    waiting = {line.task: line for line in failure.trace.outcome.waiting}
    first, second = waiting["lock_order/take"], waiting["lock_order/take#2"]
    assert (first.needs, first.owner) == ("release()", "lock_order/take#2")
    assert (second.needs, second.owner) == ("release()", "lock_order/take")
