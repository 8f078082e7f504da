"""What steps touch of trio's primitives, and of anyio's on trio, and what searches make of it there."""

from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

import anyio
import pytest
import trio
import trio.lowlevel

import faultloop
from faultloop.deciders.strategies import STRATEGIES
from faultloop.drivers.frames import ChainTable
from faultloop.drivers.observed.observing import observed
from faultloop.drivers.settings import Settings
from faultloop.drivers.trio.driver import execute_guided
from tests.drivers.test_footprints import Listener

Scenario = Callable[[], Coroutine[Any, Any, object]]


def conflict(scenario: Scenario) -> bool:
    """Whether the two tasks of a scenario touch one object, and one of them writes to it."""
    # Twice, because what a run imports of anyio reports itself from the next run on.
    for listener in (Listener(), Listener()):
        guided = execute_guided(scenario, Settings("any", None, None), listener, sites=ChainTable(), footprints=True)
        assert guided.facts.error is None, guided.facts.error
    return any(listener.written[one] & listener.touched[other] for one, other in ((2, 3), (3, 2)))


async def both(*functions: Callable[[], Any]) -> None:
    async with trio.open_nursery() as nursery:
        for function in functions:
            nursery.start_soon(function)


async def event() -> None:
    event = trio.Event()

    async def tell() -> None:
        event.set()

    await both(event.wait, tell)


async def lock() -> None:
    lock = trio.Lock()

    async def use() -> None:
        async with lock:
            await trio.lowlevel.checkpoint()

    await both(use, use)


async def semaphore() -> None:
    semaphore = trio.Semaphore(1)

    async def look() -> None:
        assert semaphore.value in (0, 1)

    await both(semaphore.acquire, look)


async def limiter() -> None:
    limiter = trio.CapacityLimiter(1)

    async def use() -> None:
        async with limiter:
            await trio.lowlevel.checkpoint()

    async def look() -> None:
        assert limiter.available_tokens in (0, 1)

    await both(use, look)


async def condition() -> None:
    condition = trio.Condition()

    async def wait() -> None:
        async with condition:
            await condition.wait()

    async def notify() -> None:
        await trio.sleep(1)
        async with condition:
            condition.notify()

    await both(wait, notify)


async def channel() -> None:
    send, receive = trio.open_memory_channel[int](1)

    async def put() -> None:
        await send.send(1)

    await both(put, receive.receive)


async def anyio_lock() -> None:
    lock = anyio.Lock()

    async def use() -> None:
        async with lock:
            await trio.lowlevel.checkpoint()

    await both(use, use)


async def anyio_event() -> None:
    event = anyio.Event()

    async def tell() -> None:
        event.set()

    await both(event.wait, tell)


async def anyio_stream() -> None:
    send, receive = anyio.create_memory_object_stream[int](1)

    async def put() -> None:
        await send.send(1)

    with send, receive:
        await both(put, receive.receive)


@pytest.mark.parametrize(
    "scenario",
    [event, lock, semaphore, limiter, condition, channel, anyio_lock, anyio_event, anyio_stream],
    ids=lambda scenario: scenario.__name__,
)
def test_two_tasks_that_use_one_primitive_conflict(scenario: Scenario):
    assert conflict(scenario)


async def two_locks() -> None:
    async def use() -> None:
        async with trio.Lock():
            await trio.lowlevel.checkpoint()

    await both(use, use)


async def two_channels() -> None:
    async def use() -> None:
        send, receive = trio.open_memory_channel[int](1)
        await send.send(1)
        await receive.receive()

    await both(use, use)


@pytest.mark.parametrize("scenario", [two_locks, two_channels], ids=lambda scenario: scenario.__name__)
def test_tasks_with_primitives_of_their_own_do_not(scenario: Scenario):
    assert not conflict(scenario)


def test_a_run_with_touches_recorded_is_ordered_like_one_without():
    from tests.drivers.conformance.kit import busy

    first, second = (
        execute_guided(busy, Settings("any", None, None), Listener(), sites=ChainTable(), footprints=footprints)
        for footprints in (False, True)
    )
    assert first.facts.value == second.facts.value
    assert first.schedule == second.schedule


async def lost_wakeup() -> None:
    """The flag is looked at, and only then somebody waits to be told of it."""
    is_ready, condition = trio.Event(), trio.Condition()

    async def waiter() -> None:
        if not is_ready.is_set():
            await trio.lowlevel.checkpoint()
            async with condition:
                await condition.wait()

    async def notifier() -> None:
        for _ in range(4):
            await trio.lowlevel.checkpoint()
        is_ready.set()
        async with condition:
            condition.notify_all()

    await both(waiter, notifier)


@pytest.mark.parametrize("strategy", [name for name in STRATEGIES if name != "pct1"])  # it never changes its mind
def test_every_strategy_finds_a_lost_wakeup_and_its_trace_replays(strategy: str):
    found = faultloop.explore(lost_wakeup, driver="trio", strategy=strategy, order="any", runs=300)
    assert found.status == "violated", found.reason
    assert faultloop.replay(found.failures[0].trace, lost_wakeup).same_digest


def orders(scenario: Scenario, strategy: str) -> int:
    """In how many runs a systematic strategy has seen all there is."""
    found = faultloop.explore(scenario, driver="trio", strategy=strategy, order="batch", runs=2_000)
    assert found.status == "passed"
    assert found.runs < 2_000, "not exhausted"
    return found.runs


def uses(one: trio.Lock, other: trio.Lock) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Two functions, because what is learned of a place in the code holds for all tasks that come there."""

    async def here() -> None:
        for _ in range(4):
            await one.acquire()
            one.release()

    async def there() -> None:
        for _ in range(4):
            await other.acquire()
            other.release()

    return here, there


async def two_locks_for_two() -> None:
    await both(*uses(trio.Lock(), trio.Lock()))


def test_orders_that_come_to_the_same_are_left_out():
    everything, pruned = orders(two_locks_for_two, "dfs"), orders(two_locks_for_two, "dfs-sleep")
    assert pruned < everything / 2


class Till:
    """Each cashier announces a sale and books one a step later; whoever closes must not come between the first two."""

    def __init__(self) -> None:
        self.announced = 0
        self.booked = 0

    async def sell(self) -> None:
        await trio.lowlevel.checkpoint()
        self.announced = 1
        await trio.lowlevel.checkpoint()
        self.booked = 1

    async def close(self) -> None:
        """Look twice, with a step between."""
        await trio.lowlevel.checkpoint()
        announced = self.announced
        await trio.lowlevel.checkpoint()
        if announced and not self.booked:
            raise AssertionError("closed with a sale announced and none booked")


def runs_needed(seed: int) -> int:
    """How many runs until the first failure; 300 if there is none."""

    async def busy_day() -> None:
        till = Till()
        await both(*[till.sell] * 40, till.close)

    strategy, sites = STRATEGIES["rff"](Random(seed)), ChainTable()
    for number in range(1, 300):
        decider = strategy.decider()
        guided = execute_guided(busy_day, Settings("any", None, None), decider, sites=sites, footprints=True)
        strategy.learn(decider, failed=guided.facts.error is not None)
        if guided.facts.error is not None:
            return number
    return 300


def test_feedback_from_observed_attributes_needs_a_fraction_of_the_runs():
    blind = [runs_needed(seed) for seed in range(5)]
    with observed([__name__]):
        seeing = [runs_needed(seed) for seed in range(5)]
        assert seeing == [runs_needed(seed) for seed in range(5)]
    assert sum(blind) > 3 * sum(seeing), (blind, seeing)


async def leaky() -> None:
    """A slot that is not given back where its holder is cancelled, and an order in which nobody waits."""
    free = trio.Semaphore(1)

    async def worker() -> None:
        await free.acquire()
        await trio.sleep(0.1)
        free.release()

    await both(worker)
    assert free.value == 1, "a slot has leaked"


@pytest.mark.parametrize("scenario", [leaky, lost_wakeup], ids=lambda scenario: scenario.__name__)
def test_more_processes_find_the_same(scenario: Scenario):
    alone, together = (faultloop.explore(scenario, driver="trio", runs=600, seed=3, jobs=jobs) for jobs in (1, 2))
    assert alone.status == together.status == "violated"
    assert [(f.fault, f.trace.digest) for f in alone.failures] == [(f.fault, f.trace.digest) for f in together.failures]
    assert alone.runs == together.runs
