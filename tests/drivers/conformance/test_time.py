"""What a driver promises of time and chance, tried on every one there is."""

import random
import time
import uuid
from typing import Any

import anyio
import anyio.to_thread
import pytest

import faultloop
from faultloop import Status
from tests.drivers.conformance.kit import CHANCE, CLOCKS, DRIVERS, passed, pause

pytestmark = pytest.mark.parametrize("driver", DRIVERS)


# Time


def test_time_moves_only_when_nothing_is_ready(driver: str):
    seen: list[float] = []

    async def scenario() -> None:
        began = anyio.current_time()
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 0.001)
            for _ in range(100):
                await pause()
                seen.append(anyio.current_time() - began)

    run = passed(scenario, driver)
    assert set(seen) == {0.0}
    assert run.virtual_time == 0.001


def test_time_adds_up_in_whole_nanoseconds(driver: str):
    async def scenario() -> None:
        for _ in range(3):
            await anyio.sleep(0.1)

    assert passed(scenario, driver).trace.stats.virtual_ns == 300_000_000


def test_what_never_rests_lets_time_go_on_all_the_same(driver: str):
    async def scenario() -> None:
        with anyio.move_on_after(5):
            while True:
                await pause()

    assert passed(scenario, driver).virtual_time == 5


def test_an_hour_of_sleep_is_had_at_once_and_a_year_is_over_the_limit(driver: str):
    assert passed(_sleeper(3600), driver).virtual_time == 3600
    run = faultloop.run(_sleeper(365 * 86_400), driver=driver)
    assert run.status is Status.OVER_LIMIT
    assert "virtual_seconds" in run.trace.outcome.message


def _sleeper(seconds: float) -> Any:
    async def scenario() -> None:
        await anyio.sleep(seconds)

    return scenario


@pytest.mark.parametrize("clock", CLOCKS)
def test_clocks_move_with_the_run_and_are_the_machines_afterwards(driver: str, clock: str):
    async def scenario() -> list[float]:
        read = CLOCKS[clock]
        first = read()
        await anyio.sleep(2.5)
        return [first, read() - first]

    outside = CLOCKS[clock]
    before = outside()
    assert passed(scenario, driver).value == [1_767_225_600 if clock in ("time", "now") else 0, 2.5]
    assert 0 <= outside() - before < 600


def test_a_call_that_blocks_takes_virtual_time_and_no_other(driver: str):
    async def scenario() -> list[float]:
        began = anyio.current_time()
        with anyio.move_on_after(2) as scope:
            time.sleep(3)  # noqa: ASYNC251  # a program that blocks is what this is about
            await pause()
            await anyio.sleep(0.5)
        assert scope.cancelled_caught
        return [anyio.current_time() - began, time.monotonic()]

    before = time.monotonic()
    assert passed(scenario, driver).value == [3, 3]
    assert time.monotonic() - before < 2


def test_a_thread_job_that_sleeps_answers_late_and_holds_nobody_up(driver: str):
    def job() -> float:
        time.sleep(5)
        return time.monotonic()

    async def scenario() -> list[float]:
        ticks: list[float] = []

        async def tick() -> None:
            for _ in range(3):
                await anyio.sleep(1)
                ticks.append(time.monotonic())

        async with anyio.create_task_group() as group:
            group.start_soon(tick)
            answer = await anyio.to_thread.run_sync(job)
        return [*ticks, answer, time.monotonic()]

    assert passed(scenario, driver).value == [1, 2, 3, 5, 5]


def test_a_program_that_watches_a_clock_sees_it_move(driver: str):
    async def scenario() -> bool:
        end = time.monotonic() + 0.05
        while time.monotonic() < end:
            pass
        end = time.time() + 0.05
        while time.time() < end:  # on purpose
            await pause()
        return True

    assert passed(scenario, driver).value


# Chance


@pytest.mark.parametrize("name", CHANCE)
def test_chance_is_drawn_from_the_seed_and_is_the_machines_afterwards(driver: str, name: str):
    async def scenario() -> list[str]:
        first = repr(CHANCE[name]())
        await pause()
        return [first, repr(CHANCE[name]())]

    first, second = passed(scenario, driver, seed=1).value
    assert first != second
    assert passed(scenario, driver, seed=1).value == [first, second]
    assert passed(scenario, driver, seed=2).value != [first, second]
    assert passed(scenario, driver, seed=1, entropy="real").value != [first, second]
    assert repr(CHANCE[name]()) != repr(CHANCE[name]())


def test_a_failure_that_chance_decided_is_replayed(driver: str):
    async def scenario() -> None:
        await anyio.sleep(random.random())
        assert uuid.uuid4().int % 4, "drew a bad token"

    runs = (faultloop.run(scenario, driver=driver, seed=seed) for seed in range(100))
    failed = next(run for run in runs if run.status.is_failure)
    assert faultloop.replay(failed.trace, scenario).same_digest
