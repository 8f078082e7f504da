"""Exploring orders: what is drawn or enumerated, and what is said to have been seen."""

import asyncio

import anyio
import pytest

from faultloop import explore
from faultloop.model.trace import Order
from tests.search.explored import EVERY_SINGLE, alone, needs_an_order, two_workers


def test_an_order_bug_is_found_without_any_fault():
    found = explore(needs_an_order, faults=())
    assert found.status == "violated"
    (failure,) = found.failures
    assert (failure.fault, failure.order, failure.deviations) == ("", "batch", 1)
    assert failure.message.startswith("AssertionError: ['second', 'first']")


def test_strategy_schedules_draws_orders_and_tries_no_fault():
    found = explore(needs_an_order, strategy="schedules", runs=50)
    assert (found.status, found.tried) == ("violated", 0)


def test_order_fifo_draws_no_orders():
    found = explore(needs_an_order, faults=["cancel"], order="fifo")
    assert (found.status, found.schedules, found.exhausted) == ("passed", 1, (EVERY_SINGLE,))


def test_few_orders_are_enumerated_and_the_sentence_says_how_many():
    found = explore(needs_an_order, strategy="schedules", order="batch")
    assert found.exhausted == ("every order at level batch: all 2",)
    assert found.schedules == 2  # the calm one, and the other
    assert (found.runs, found.classes) == (6, 1)  # calm twice, each order twice; what `said` holds is not observed


async def three_of_whom_two_share() -> None:
    """Six orders. Only who puts first can be told."""
    queue: asyncio.Queue[int] = asyncio.Queue()

    async def put(item: int) -> None:
        queue.put_nowait(item)

    async def look_away() -> None: ...

    await asyncio.gather(put(1), look_away(), put(2))


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_orders_that_are_enumerated_are_told_with_their_classes(driver: str):
    async def on_anyio() -> None:
        send, receive = anyio.create_memory_object_stream[int](2)

        async def put(item: int) -> None:
            send.send_nowait(item)

        async def look_away() -> None: ...

        with send, receive:
            async with anyio.create_task_group() as group:
                group.start_soon(put, 1)
                group.start_soon(look_away)
                group.start_soon(put, 2)

    scenario = on_anyio if driver == "trio" else three_of_whom_two_share
    found = explore(scenario, strategy="schedules", order="batch", driver=driver)
    assert found.exhausted == ("every order at level batch: all 6",)
    assert (found.schedules, found.classes) == (6, 2)


async def six_who_share_nothing() -> None:
    """Too many orders to enumerate, all of one class."""

    async def one() -> None:
        for _ in range(3):
            await asyncio.sleep(0)

    await asyncio.gather(*(one() for _ in range(6)))


@pytest.mark.parametrize("strategy", ["schedules", "unseen"])
@pytest.mark.parametrize(("order", "hold"), [("batch", 2), ("any", 2), ("any", None)], ids=["batch", "held", "any"])
def test_there_are_never_fewer_classes_than_are_told(strategy: str, order: Order, hold: int | None):
    """Where tasks are held back up to a bound, whoever picks must tell any two orders apart: that makes no classes."""
    found = explore(six_who_share_nothing, strategy=strategy, order=order, hold=hold, runs=120)
    assert found.classes == 1


def test_of_orders_that_nobody_watched_no_classes_are_told():
    found = explore(six_who_share_nothing, strategy="pct3", order="batch", runs=20)
    assert (found.schedules > 10, found.classes) == (True, 0)


def test_the_calm_run_alone_is_one_order_of_one_class():
    found = explore(two_workers, strategy="sweep")
    assert (found.schedules, found.classes) == (1, 1)


def test_drawing_ends_when_nothing_new_is_drawn_and_says_so():
    async def five_at_once() -> None:
        async def step() -> None: ...

        await asyncio.gather(*(step() for _ in range(5)))

    found = explore(five_at_once, strategy="schedules", order="batch", runs=10_000)
    assert found.exhausted == ("orders at level batch, as far as drawing goes: the last 200 had all been seen before",)


def test_a_scenario_without_choices_is_exhausted_at_once():
    found = explore(alone, faults=())
    assert (found.status, found.runs, found.points) == ("passed", 4, 1)
    assert found.exhausted == (
        "every order at level batch: no two steps were ever ready in one turn",
        "every order at level any: no two steps were ever ready in one turn",
    )


def test_a_scenario_without_an_await_has_nothing_to_hit():
    async def at_once() -> int:
        return 1

    found = explore(at_once)
    assert (found.status, found.points, found.tried) == ("passed", 0, 0)


def test_the_level_any_has_its_part_of_the_budget_however_many_orders_batch_has():
    async def one_turn_early() -> None:
        turns = list[str]()

        async def twice() -> None:
            turns.append("first")
            await asyncio.sleep(0)
            turns.append("second")

        await asyncio.gather(*(twice() for _ in range(9)))
        assert turns == ["first"] * 9 + ["second"] * 9, "somebody was held back a turn"

    assert explore(one_turn_early, faults=(), runs=100, order="batch").status == "passed"
    found = explore(one_turn_early, faults=(), runs=100, order="any")
    assert (found.runs, {failure.order for failure in found.failures}) == (100, {"any"})
