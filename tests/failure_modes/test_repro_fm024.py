"""FM_024 is real: a handler that catches everything catches its own end."""

import asyncio

import anyio
import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_024_swallowed_cancel.scenario import broken, damaged
from failure_modes.proof import Driver, repro


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_broken_variant_fails_as_specified(driver: Driver):
    assert repro(find("FM_024"), driver).objections == ()


def test_the_rest_of_the_batch_is_swallowed_with_it():
    store = faultloop.run(damaged, faults=["cancel worker @ Store.send>sleep #1 parked"]).value
    assert [row.state for row in store.rows] == ["done", "done"]
    assert store.sent == []


def test_a_cancellation_between_two_jobs_is_harmless():
    run = faultloop.run(broken, faults=["cancel worker @ serve>sleep #1 parked"])
    assert (run.status, run.not_reached) == ("passed", ())


async def ask_sixty_times() -> None:
    for _ in range(60):
        try:
            await anyio.sleep(1)
        except BaseException:
            continue


async def bounded_by_asyncio() -> float:
    async with asyncio.timeout(5):
        await ask_sixty_times()
    return anyio.current_time()


async def bounded_by_a_scope() -> float:
    with anyio.move_on_after(5):
        await ask_sixty_times()
    return anyio.current_time()


def test_a_time_out_that_is_said_once_is_swallowed_once_and_the_slot_is_held_for_a_minute():
    assert faultloop.run(bounded_by_asyncio).value > 59


def test_a_scope_says_it_again_at_each_await_and_the_slot_is_free():
    assert faultloop.run(bounded_by_a_scope).value < 6
