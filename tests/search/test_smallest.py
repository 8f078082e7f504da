"""Failures on the real loop, shrunk: what is left, at which level, and that it is what really ran."""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from faultloop import Exploration, Failure, explore, replay, run
from faultloop.errors import UsageError
from faultloop.model.trace import Order
from faultloop.search.shrinking import shrink_trace
from faultloop.search.tracefile import load_trace, save_trace

Scenario = Callable[[], Coroutine[Any, Any, object]]


async def late_checker() -> None:
    """Eight setters and a checker, which fails if it comes between the two halves of any one of them."""
    state = {"a": 0, "b": 0}

    async def setter() -> None:
        await asyncio.sleep(0)
        state["a"] += 1
        await asyncio.sleep(0)
        state["b"] += 1

    async def checker() -> None:
        for _ in range(6):
            await asyncio.sleep(0)
        assert state["a"] == state["b"], "half set"

    await asyncio.gather(*(asyncio.create_task(setter(), name=f"setter-{n}") for n in range(8)), checker())


async def any_order_will_do() -> None:
    """Fails in an order of two steps of one turn; three other tasks have nothing to do with it."""
    said: list[str] = []

    async def say(word: str) -> None:
        said.append(word)

    async def other() -> None:
        await asyncio.sleep(0)

    await asyncio.gather(other(), say("first"), other(), say("second"), other())
    assert said == ["first", "second"], said


async def cancelled_and_reordered() -> None:
    """Fails when the holder is cancelled, in asyncio's own order: no order has anything to do with it."""
    held = 0

    async def holder() -> None:
        nonlocal held
        held += 1
        await asyncio.sleep(1)
        held -= 1

    async def bystander() -> None:
        for _ in range(3):
            await asyncio.sleep(0.5)

    holding = asyncio.create_task(holder(), name="holder")
    await asyncio.gather(holding, bystander(), bystander(), return_exceptions=True)
    assert held == 0, "still held"


@functools.cache
def found_in(scenario: Scenario, order: Order = "any", seed: int = 0) -> Failure:
    return only(explore(scenario, faults=(), order=order, seed=seed, runs=150))


@functools.cache
def found_unbounded() -> Failure:
    return only(explore(late_checker, faults=(), order="any", hold=None, first=True))


def only(found: Exploration) -> Failure:
    (failure,) = found.failures
    return failure


@pytest.mark.parametrize("seed", range(3))
def test_an_order_at_level_any_shrinks_to_who_was_held_back(seed: int):
    failure = found_in(late_checker, seed=seed)
    assert (failure.order, failure.is_shrunk) == ("any", True)
    assert 1 <= failure.deviations <= 2
    for departure in failure.trace.choices.departures:
        assert departure.then[0].startswith("late_checker/setter-")
        assert departure.matters
    assert failure.attempts <= 300


@pytest.mark.parametrize("seed", range(3))
def test_an_order_of_one_turn_shrinks_to_the_two_steps_it_is_about(seed: int):
    failure = found_in(any_order_will_do, "batch", seed)
    assert (failure.order, failure.deviations) == ("batch", 1)
    (departure,) = failure.trace.choices.departures
    assert departure.first == ("any_order_will_do/say#2", 1)
    assert departure.then == ("any_order_will_do/say", 1)


def test_what_fails_in_asyncios_own_order_is_told_at_that_level():
    """Found with a fault on an order drawn, it shrinks to the fault alone."""
    failed = None
    for seed in range(200):
        candidate = run(cancelled_and_reordered, faults=["cancel holder @ sleep #1"], order="batch", seed=seed)
        if candidate.trace.choices.picks:
            failed = candidate
            break
    assert failed is not None
    assert failed.status.is_failure
    assert failed.trace.order == "batch"
    failure = shrink_trace(failed.trace, cancelled_and_reordered)
    assert failure is not None
    assert (failure.order, failure.deviations, failure.trace.choices.picks) == ("fifo", 1, ())


def test_a_shrunk_run_replays_to_its_digest_and_by_name():
    for scenario in (late_checker, any_order_will_do):
        failure = found_in(scenario)
        again = replay(failure.trace, scenario)
        assert again.same_digest
        by_name = replay(failure.trace, scenario, follow="faults")
        assert by_name.held
        assert by_name.run.status.is_failure


def test_an_order_is_followed_by_name_where_the_questions_have_changed():
    """The same program with one more task: the picks fit no longer, the order of the two steps does."""

    def program(extra: int) -> Scenario:
        async def scenario() -> None:
            said: list[str] = []

            async def say(word: str) -> None:
                said.append(word)

            async def other() -> None:
                await asyncio.sleep(0)

            await asyncio.gather(say("first"), say("second"), *(other() for _ in range(extra)))
            assert said == ["first", "second"], said

        return scenario

    failure = only(explore(program(0), faults=(), order="batch", runs=50))
    again = replay(failure.trace, program(2))
    assert not again.same_digest
    assert again.divergence is not None
    assert again.followed is not None
    assert again.followed.status.is_failure
    assert again.held


def test_following_an_order_that_never_comes_up_says_that_nothing_was_held():
    async def scenario() -> None:
        await asyncio.sleep(0)

    failure = found_in(any_order_will_do, "batch")
    again = replay(failure.trace, scenario, follow="faults")
    assert not again.held


def test_what_a_schedule_was_shrunk_to_is_kept_in_the_file(tmp_path: Any):
    failure = found_in(late_checker)
    save_trace(failure.trace, tmp_path / "t.json")
    assert load_trace(tmp_path / "t.json") == failure.trace


def test_an_order_without_a_bound_is_told_in_blocks_that_run_on():
    failure = found_unbounded()
    choices = failure.trace.choices
    assert (failure.order, choices.base, failure.deviations) == ("any", "run-on", 1)
    assert choices.blocks
    assert replay(failure.trace, late_checker, follow="faults").run.status.is_failure


def test_a_trace_that_recorded_no_failure_has_nothing_to_shrink():
    passed = run(any_order_will_do)
    with pytest.raises(UsageError) as caught:
        shrink_trace(passed.trace, any_order_will_do)
    assert caught.value.code == "FL515"


def test_a_trace_that_fails_no_more_shrinks_to_nothing():
    async def mended() -> None: ...

    failure = found_in(any_order_will_do, "batch")
    assert shrink_trace(failure.trace, mended) is None


def test_the_budget_of_runs_is_kept():
    failure = found_unbounded()
    again = shrink_trace(failure.trace, late_checker, runs=1)
    assert again is not None
    assert again.attempts <= 1 + 2  # and one at each weaker level
