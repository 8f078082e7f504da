"""Virtual time: exact in nanoseconds, moving only when it must, never without end."""

# ruff: noqa: ASYNC110 (spinning on the clock is what these programs are for)

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import faultloop
from faultloop import Limits, Status
from faultloop.drivers.asyncio.loop import Loop
from faultloop.drivers.timers import NEVER
from tests.drivers.support import ends_quickly, passed, value
from tests.support.length import times

PROPERTY = settings(max_examples=times(200), deadline=None)


def status(scenario: Callable[[], Awaitable[Any]]) -> Status:
    return faultloop.run(scenario).status


# Instants


def test_three_naps_of_a_tenth_end_at_three_tenths_exactly():
    async def scenario() -> float:
        for _ in range(3):
            await asyncio.sleep(0.1)
        return asyncio.get_running_loop().time()

    run = passed(scenario)
    assert run.value == 0.3
    assert run.trace.stats.virtual_ns == 300_000_000


def test_a_million_seconds_lose_nothing():
    async def scenario() -> float:
        await asyncio.sleep(500_000)
        for _ in range(10):
            await asyncio.sleep(0.000_000_001)
        return asyncio.get_running_loop().time()

    assert passed(scenario).trace.stats.virtual_ns == 500_000_000_000_010


def test_every_run_begins_at_zero_and_time_costs_nothing():
    async def scenario() -> list[float]:
        loop = asyncio.get_running_loop()
        begin = loop.time()
        await asyncio.sleep(86_400)
        return [begin, loop.time()]

    began = time.perf_counter()
    assert value(scenario) == [0.0, 86_400.0]
    assert time.perf_counter() - began < 5


@PROPERTY
@given(st.floats(0, 1e5), st.floats(0, 1e5))
def test_a_timer_never_fires_before_its_float_deadline(start: float, when: float):
    loop = Loop()
    fired: list[float] = []

    async def main() -> None:
        await asyncio.sleep(start)
        at = max(when, loop.time())
        loop.call_at(at, lambda: fired.append(loop.time() - at))
        await asyncio.sleep(max(0.0, at - loop.time()) + 1)

    try:
        loop.run_until_complete(main())
    finally:
        loop.close()
    assert len(fired) == 1
    assert 0 <= fired[0] < 1e-8


def test_who_naps_until_a_float_deadline_gets_there():
    """0.1 + 0.2 is a little more than 0.3: the last nap is far shorter than a nanosecond, and time must still move."""

    async def naps_until_the_deadline() -> float:
        loop = asyncio.get_running_loop()
        deadline = 0.1 + 0.2
        await asyncio.sleep(0.1)
        while (left := deadline - loop.time()) > 0:
            await asyncio.sleep(left)
        return loop.time()

    run = ends_quickly(naps_until_the_deadline)
    assert run.status is Status.PASSED
    assert 0.3 < run.value < 0.300_000_002


@PROPERTY
@given(st.lists(st.floats(0, 100), min_size=1, max_size=5))
def test_awkward_deadlines_do_not_make_anyio_spin(delays: list[float]):
    """anyio asks the clock again when its timer fires, and arms it anew if it was early: a turn each, for ever."""

    async def scenario() -> None:
        for delay in delays:
            with anyio.move_on_after(delay) as scope:
                await anyio.sleep(1_000)
            assert scope.cancelled_caught

    assert passed(scenario).steps < 20 * len(delays) + 20


@PROPERTY
@given(st.lists(st.floats(0, 50), min_size=2, max_size=8))
def test_sleepers_wake_in_the_order_of_their_deadlines(delays: list[float]):
    async def scenario() -> list[float]:
        woken: list[float] = []

        async def sleeper(delay: float) -> None:
            await asyncio.sleep(delay)
            woken.append(round(delay, 9))

        await asyncio.gather(*map(sleeper, delays))
        return woken

    woken = value(scenario)
    # Those of no duration at all never wait for the clock.
    assert [delay for delay in woken if delay] == sorted(delay for delay in woken if delay)


def test_timers_of_one_instant_fire_in_the_order_made():
    async def scenario() -> list[int]:
        loop = asyncio.get_running_loop()
        fired: list[int] = []
        for number in range(10):
            loop.call_at(5, fired.append, number)
        await asyncio.sleep(6)
        return fired

    assert value(scenario) == list(range(10))


def test_timers_of_one_instant_are_a_choice_of_every_order_but_fifo():
    async def scenario() -> tuple[int, ...]:
        loop = asyncio.get_running_loop()
        fired: list[int] = []
        for number in range(3):
            loop.call_at(5, fired.append, number)
        await asyncio.sleep(6)
        return tuple(fired)

    assert len({value(scenario, seed=seed, order="batch") for seed in range(60)}) == 6


# Infinite timers, deadlock


@pytest.mark.parametrize("forever", [anyio.sleep_forever, lambda: asyncio.sleep(math.inf), lambda: asyncio.sleep(1e18)])
def test_an_infinite_timer_is_no_pending_work(forever: Callable[[], Awaitable[None]]):
    async def scenario() -> None:
        await forever()

    assert status(scenario) is Status.DEADLOCKED


def test_an_infinite_deadline_does_not_hide_a_deadlock():
    async def scenario() -> None:
        with anyio.fail_after(math.inf):
            await asyncio.Event().wait()

    assert status(scenario) is Status.DEADLOCKED


def test_a_finite_timer_goes_first_and_the_infinite_one_is_cancelled():
    async def scenario() -> float:
        with anyio.move_on_after(3):
            await anyio.sleep_forever()
        return anyio.current_time()

    assert value(scenario) == 3


def test_a_cancelled_timer_beyond_the_limit_is_not_over_it():
    async def scenario() -> str:
        async with asyncio.timeout(10_000):
            await asyncio.sleep(1)
        await asyncio.sleep(1)
        return "within"

    assert value(scenario, limits=Limits(virtual_seconds=100)) == "within"


def test_never_is_beyond_every_limit():
    assert NEVER > 10**9 * 10**12


# Spinning, livelock, limits


def test_a_spin_on_the_clock_sees_time_move():
    """Something is always ready, and still the timer comes: after the turns that one instant may take."""

    async def scenario() -> float:
        loop = asyncio.get_running_loop()
        while loop.time() < 2:
            loop.call_later(1, lambda: None)
            await asyncio.sleep(0)
        return loop.time()

    run = passed(scenario, limits=Limits(spin_turns=50))
    assert 2 <= run.value < 3
    assert run.steps < 500


def test_a_shielded_nap_in_a_cancelled_group_ends():
    """anyio delivers its cancellation again each turn for as long as the task shields itself."""

    async def scenario() -> float:
        async with anyio.create_task_group() as group:

            async def stubborn() -> None:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(1)

            group.start_soon(stubborn)
            await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()
        return anyio.current_time()

    assert value(scenario) == 1


def test_a_spin_with_no_timer_is_a_livelock():
    async def scenario() -> None:
        while True:
            await asyncio.sleep(0)

    run = ends_quickly(scenario)
    assert run.status is Status.LIVELOCKED
    assert "no timer is pending" in run.trace.outcome.message


def test_a_spin_beside_a_timer_that_is_armed_anew_ends_at_a_limit():
    async def scenario() -> None:
        loop = asyncio.get_running_loop()

        def again() -> None:
            loop.call_later(1, again)

        again()
        while True:
            await asyncio.sleep(0)

    assert ends_quickly(scenario, limits=Limits(steps=50_000)).status is Status.OVER_LIMIT


@pytest.mark.parametrize("steps", [1, 10, 4_096, 5_000])
def test_the_limit_on_steps_is_kept_within_a_turn(steps: int):
    async def scenario() -> None:
        while True:
            await asyncio.sleep(1)

    run = faultloop.run(scenario, limits=Limits(steps=steps, virtual_seconds=1e9))
    assert run.status is Status.OVER_LIMIT
    assert "limits.steps" in run.trace.outcome.message
    assert steps <= run.steps <= steps + 10


def test_the_limit_on_virtual_time_names_itself():
    async def scenario() -> None:
        await asyncio.sleep(101)

    run = faultloop.run(scenario, limits=Limits(virtual_seconds=100))
    assert run.status is Status.OVER_LIMIT
    assert "limits.virtual_seconds" in run.trace.outcome.message
    assert run.virtual_time == 0


def test_the_limit_on_real_time_reaches_into_a_busy_step():
    async def scenario() -> None:
        while True:
            pass

    run = ends_quickly(scenario, limits=Limits(wall_seconds=0.2))
    assert run.status is Status.OVER_LIMIT
    assert "limits.wall_seconds" in run.trace.outcome.message


def test_the_limit_on_real_time_is_looked_at_between_steps():
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        while True:
            loop.call_later(1, lambda: None)
            await asyncio.sleep(0)

    assert ends_quickly(scenario, limits=Limits(wall_seconds=0.3, steps=10**9)).status is Status.OVER_LIMIT


def test_a_task_that_swallows_even_the_alarm_does_not_hang_the_run():
    async def scenario() -> None:
        while True:
            try:
                while True:
                    pass
            except Exception:  # what a careless worker catches: the alarm is not among it
                continue

    assert ends_quickly(scenario, limits=Limits(wall_seconds=0.2)).status is Status.OVER_LIMIT


@pytest.mark.parametrize("name", ["steps", "virtual_seconds", "wall_seconds", "spin_turns", "teardown_steps", "events"])
def test_a_limit_of_nothing_is_refused(name: str):
    with pytest.raises(ValueError, match=name):
        Limits(**{name: 0})
