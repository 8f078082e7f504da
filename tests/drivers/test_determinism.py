"""Nothing is ordered by memory address: the same program is the same run, whatever the allocator did in between.

Each scenario lets an order decide what it returns and what it awaits, so both its value and its digest would tell.
"""

import asyncio
import gc
import random
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import anyio
import pytest

import faultloop
from faultloop import Status
from faultloop.drivers.asyncio.loop import Loop
from tests.drivers.support import passed, value
from tests.support.length import times

RUNS = times(20)
Scenario = Callable[[], Awaitable[list[Any]]]


def noise(seed: int) -> list[object]:
    """Objects of many sizes, some of them let go again, so that the next run's come to lie elsewhere."""
    rng = random.Random(seed)
    kept: list[object] = []
    for _ in range(rng.randrange(50, 400)):
        kept.append(bytearray(rng.randrange(1, 600)))
        kept.append(asyncio.Event())
        if rng.random() < 0.5:
            kept.pop(rng.randrange(len(kept)))
    return kept


def outcomes(scenario: Scenario, **how: Any) -> set[tuple[str, str]]:
    """Digest and value of many runs with noise between them."""
    seen: set[tuple[str, str]] = set()
    kept: list[object] = []
    for seed in range(RUNS):
        kept.append(noise(seed))
        if seed % 5 == 0:
            gc.collect()
        run = passed(scenario, **how)
        seen.add((run.trace.digest, repr(run.value)))
    return seen


async def wait_in_this_order(numbers: Iterable[int]) -> list[int]:
    """Make an order part of the history: a nap for each, told apart by its length."""
    order = list(numbers)
    for number in order:
        await asyncio.sleep(1 + number)
    return order


async def set_of_tasks() -> list[int]:
    tasks = {asyncio.create_task(asyncio.sleep(1), name=str(n)) for n in range(20)}
    done, _ = await asyncio.wait(tasks)
    return await wait_in_this_order([int(t.get_name()) for t in tasks] + [int(t.get_name()) for t in done])


async def all_tasks() -> list[int]:
    tasks = [asyncio.create_task(asyncio.sleep(1), name=str(n)) for n in range(20)]
    names = [t.get_name() for t in asyncio.all_tasks() if t.get_name().isdigit()]
    await asyncio.gather(*tasks)
    return await wait_in_this_order(map(int, names))


async def set_of_loop_futures() -> list[int]:
    loop = asyncio.get_running_loop()
    futures: dict[Any, int] = {loop.create_future(): n for n in range(20)}
    return await wait_in_this_order(futures[future] for future in set(futures))


async def set_of_bare_futures() -> list[int]:
    futures: dict[Any, int] = {asyncio.Future(): n for n in range(20)}
    return await wait_in_this_order(futures[future] for future in set(futures))


async def set_of_gathers() -> list[int]:
    gathers: dict[Any, int] = {asyncio.gather(asyncio.sleep(1)): n for n in range(20)}
    order = await wait_in_this_order(gathers[each] for each in set(gathers))
    await asyncio.gather(*gathers)
    return order


async def set_of_primitives() -> list[int]:
    kinds: list[Callable[[], Any]] = [
        asyncio.Lock, asyncio.Event, asyncio.Condition, asyncio.Semaphore, asyncio.BoundedSemaphore,
        asyncio.Queue, asyncio.PriorityQueue, asyncio.LifoQueue, lambda: asyncio.Barrier(2),
    ]  # fmt: skip
    primitives = {kinds[n % len(kinds)](): n for n in range(27)}
    return await wait_in_this_order(primitives[each] for each in set(primitives))


async def as_completed_of_coroutines() -> list[int]:
    started: list[int] = []

    async def child(number: int) -> int:
        started.append(number)
        await asyncio.sleep(0)
        return number

    ended = [await each for each in asyncio.as_completed([child(n) for n in range(20)])]
    return await wait_in_this_order(started + ended)


async def wait_of_tasks_that_end_together() -> list[int]:
    gate = asyncio.Event()

    async def child(number: int) -> int:
        await gate.wait()
        return number

    pending: set[asyncio.Task[int]] = {asyncio.create_task(child(n)) for n in range(20)}
    await asyncio.sleep(0)
    gate.set()
    order: list[int] = []
    while pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        order += [task.result() for task in done]
    return await wait_in_this_order(order)


async def anyio_child_scopes() -> list[int]:
    """Scopes inside a scope that is cancelled: anyio delivers to them in the order of a set of them."""
    order: list[int] = []

    async def child(number: int) -> None:
        with anyio.CancelScope():
            try:
                await anyio.sleep_forever()
            finally:
                order.append(number)

    async with anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(child, number)
        await anyio.sleep(1)
        group.cancel_scope.cancel()
    return await wait_in_this_order(order)


async def anyio_nested_groups() -> list[int]:
    order: list[int] = []

    async def leaf(number: int) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            order.append(number)

    async def branch(number: int) -> None:
        async with anyio.create_task_group() as group:
            for k in range(4):
                group.start_soon(leaf, 10 * number + k)

    with anyio.move_on_after(1):
        async with anyio.create_task_group() as group:
            for number in range(6):
                group.start_soon(branch, number)
    return await wait_in_this_order(order)


async def task_group_that_fails() -> list[int]:
    order: list[int] = []

    async def child(number: int) -> None:
        try:
            await asyncio.sleep(100)
        finally:
            order.append(number)

    async def fail() -> None:
        await asyncio.sleep(1)
        raise ValueError

    try:
        async with asyncio.TaskGroup() as group:
            for number in range(20):
                group.create_task(child(number))
            group.create_task(fail())
    except* ValueError:
        pass
    return await wait_in_this_order(order)


SCENARIOS: tuple[Scenario, ...] = (
    set_of_tasks,
    all_tasks,
    set_of_loop_futures,
    set_of_bare_futures,
    set_of_gathers,
    set_of_primitives,
    as_completed_of_coroutines,
    wait_of_tasks_that_end_together,
    anyio_child_scopes,
    anyio_nested_groups,
    task_group_that_fails,
)
each_scenario = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)


@each_scenario
def test_one_program_is_one_run(scenario: Scenario):
    assert len(outcomes(scenario)) == 1


@each_scenario
def test_one_seed_is_one_run(scenario: Scenario):
    assert len(outcomes(scenario, seed=7, order="batch")) == 1
    assert len(outcomes(scenario, seed=7, order="any")) == 1


@pytest.mark.parametrize("scenario", [set_of_loop_futures, set_of_primitives, as_completed_of_coroutines, all_tasks])
def test_sets_of_our_objects_keep_the_order_of_creation(scenario: Scenario):
    order = value(scenario)
    assert order[:10] == list(range(10))


def test_other_seeds_are_other_runs():
    digests = {passed(task_group_that_fails, seed=seed, order="batch").trace.digest for seed in range(20)}
    assert len(digests) > 10


def test_replay_is_the_same_run_for_each_order():
    for order in ("fifo", "batch", "any"):
        run = passed(anyio_child_scopes, seed=3, order=order)
        again = faultloop.replay(run.trace, anyio_child_scopes)
        assert again.same_digest, (order, again.divergence)


def test_a_set_of_the_programs_own_objects_gives_other_digests():
    """What cannot be put in order is seen: the method of these tests would tell."""

    class Own:
        pass

    async def scenario() -> list[int]:
        kept.append(noise(len(kept)))
        owned = {Own(): n for n in range(50)}
        return await wait_in_this_order(owned[each] for each in set(owned))

    kept: list[object] = []
    digests = {faultloop.run(scenario).trace.digest for _ in range(10)}
    assert len(digests) > 1


def test_outside_a_run_asyncio_is_as_it_was():
    before = asyncio.Future
    passed(set_of_bare_futures)
    assert asyncio.Future is before
    lock = asyncio.Lock()
    assert hash(lock) == object.__hash__(lock)


def test_a_future_made_in_a_run_is_an_asyncio_future():
    async def scenario() -> list[bool]:
        bare: asyncio.Future[None] = asyncio.Future()
        made = asyncio.get_running_loop().create_future()
        task = asyncio.ensure_future(asyncio.sleep(0))
        await task
        assert issubclass(asyncio.Task, asyncio.Future)
        return [isinstance(each, asyncio.Future) for each in (bare, made, task)]

    assert value(scenario) == [True] * 3


def test_two_loops_count_their_tasks_each_on_their_own():
    async def ordinals() -> list[int]:
        return [hash(asyncio.create_task(asyncio.sleep(0))) for _ in range(3)]

    runs: list[list[int]] = []
    for _ in range(2):
        loop = Loop()
        runs.append(loop.run_until_complete(ordinals()))
        loop.run_until_complete(asyncio.sleep(1))
        loop.close()
    assert runs[0] == runs[1] == [2, 3, 4]


def test_a_run_after_a_failed_run_is_not_touched_by_it():
    async def failing() -> None:
        left.append(asyncio.create_task(asyncio.sleep(5), name="left"))
        raise ValueError

    left: list[Any] = []
    before = passed(set_of_tasks).trace.digest
    assert faultloop.run(failing).status is Status.CRASHED
    assert passed(set_of_tasks).trace.digest == before
