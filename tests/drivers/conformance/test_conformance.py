"""The promises of a driver, each tried on every one there is."""

import os
import random
import subprocess
import sys
import time
import uuid
from typing import Any

import anyio
import anyio.to_thread
import pytest

import faultloop
from faultloop import Status
from faultloop.model.limits import Limits
from faultloop.model.trace import Order
from tests.drivers.conformance.kit import CHANCE, CLOCKS, DRIVERS, busy, passed, pause
from tests.support.length import times

pytestmark = pytest.mark.parametrize("driver", DRIVERS)


# Faults land where they were addressed


@pytest.mark.parametrize("nth", [1, 2, 3, 4, 5])
def test_a_cancel_at_await_n_is_delivered_at_await_n(driver: str, nth: int):
    reached: list[int] = []

    async def worker() -> None:
        for number in range(1, 6):
            reached.append(number)
            await anyio.sleep(1)

    async def scenario() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(worker)

    run = passed(scenario, driver, faults=[f"cancel worker @ worker>sleep #{nth}"])
    assert run.not_reached == ()
    assert reached == list(range(1, nth + 1))
    assert run.virtual_time == nth - 1


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_an_error_at_await_n_is_raised_at_await_n(driver: str, nth: int):
    async def scenario() -> int:
        for number in range(1, 4):
            try:
                await anyio.sleep(1)
            except OSError:
                return number
        return 0

    run = passed(scenario, driver, faults=[f"fail:OSError scenario @ sleep #{nth}"])
    assert run.value == nth
    assert run.virtual_time == nth - 1


def test_a_delayed_wake_up_comes_late_by_just_that_much(driver: str):
    async def scenario() -> float:
        await anyio.sleep(1)
        return anyio.current_time()

    calm = passed(scenario, driver)
    late = passed(scenario, driver, faults=["delay:250ms scenario @ sleep #1"])
    assert late.value - calm.value == pytest.approx(0.25)
    assert late.virtual_time == 1.25


def test_a_deadline_that_expires_is_met_before_its_block_ends(driver: str):
    # At the await itself on trio; on asyncio anyio lets a wake-up that has come win, and cancels at the next one.
    async def scenario() -> bool:
        with anyio.move_on_after(10) as scope:
            await anyio.sleep(1)
            await pause()
        return scope.cancelled_caught

    assert passed(scenario, driver).value is False
    assert passed(scenario, driver, faults=["expire scenario @ sleep #1"]).value is True


def test_a_deadline_that_expires_shows_as_a_timeout(driver: str):
    async def scenario() -> str:
        try:
            with anyio.fail_after(10):
                await anyio.sleep(1)
                await pause()
        except TimeoutError:
            return "timed out"
        return "in time"

    assert passed(scenario, driver).value == "in time"
    assert passed(scenario, driver, faults=["expire scenario @ sleep #1"]).value == "timed out"


def test_no_deadline_expires_where_none_covers_the_await(driver: str):
    async def scenario() -> None:
        await anyio.sleep(1)

    (missed,) = passed(scenario, driver, faults=["expire scenario @ sleep #1"]).not_reached
    assert "no deadline covers" in missed.reason


def test_a_cancel_races_the_very_step_that_it_names(driver: str):
    log: list[str] = []

    async def victim(event: anyio.Event) -> None:
        try:
            await event.wait()
            log.append("woken")
        except BaseException:
            log.append("cancelled")
            raise

    async def setter(event: anyio.Event) -> None:
        for number in range(3):
            await anyio.sleep(1)
            log.append(f"second {number}")
        event.set()

    async def scenario() -> None:
        event = anyio.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(victim, event)
            group.start_soon(setter, event)

    run = passed(scenario, driver, faults=["cancel victim @ Event.wait #1 racing setter @ sleep #3"])
    assert run.not_reached == ()
    assert log[:2] == ["second 0", "second 1"]
    assert log[-1] == "cancelled"  # before it could be woken; where only a whole group can be cancelled, the setter too
    assert run.trace.delivered[0].t == 3_000_000_000


def test_the_root_can_be_cancelled_and_that_is_no_failure(driver: str):
    async def scenario() -> None:
        await anyio.sleep(1)

    assert faultloop.run(scenario, driver=driver, faults=["cancel scenario @ sleep"]).status is Status.PROPAGATED


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


# Order


@pytest.mark.parametrize("order", ["fifo", "batch", "any"])
def test_what_one_task_sends_arrives_in_the_order_it_was_sent(driver: str, order: Order):
    async def scenario() -> dict[int, list[int]]:
        got: dict[int, list[int]] = {1: [], 2: []}
        send, receive = anyio.create_memory_object_stream[tuple[int, int]](1)

        async def sender(name: int) -> None:
            for item in range(4):
                await send.send((name, item))

        async def receiver() -> None:
            for _ in range(8):
                name, item = await receive.receive()
                got[name].append(item)

        async with send, receive, anyio.create_task_group() as group:
            group.start_soon(sender, 1)
            group.start_soon(sender, 2)
            group.start_soon(receiver)
        return got

    for seed in range(20):
        assert passed(scenario, driver, order=order, seed=seed).value == {1: [0, 1, 2, 3], 2: [0, 1, 2, 3]}


def test_every_order_of_three_tasks_of_one_turn_can_be_had(driver: str):
    async def scenario() -> str:
        log: list[str] = []

        async def say(name: str) -> None:
            await pause()
            log.append(name)

        async with anyio.create_task_group() as group:
            for name in "abc":
                group.start_soon(say, name)
        return "".join(log)

    assert passed(scenario, driver).value == "abc"
    drawn = {passed(scenario, driver, order="batch", seed=seed).value for seed in range(60)}
    assert len(drawn) == 6


@pytest.mark.parametrize("order", ["batch", "any"])
def test_a_replay_is_the_run_on_hundreds_of_random_seeds(driver: str, order: Order):
    digests: set[str] = set()
    for seed in range(times(500 if order == "batch" else 100)):
        run = passed(busy, driver, order=order, seed=seed)
        assert faultloop.replay(run.trace, busy).same_digest, seed
        digests.add(run.trace.digest)
    assert len(digests) > times(100) / 2


def test_runs_are_the_same_under_every_hash_seed(driver: str):
    program = (
        "import faultloop; from tests.drivers.conformance.kit import busy; noise = [object() for _ in range({noise})]; "
        f"print(faultloop.run(busy, driver={driver!r}, order='batch', seed=7).trace.digest)"
    )
    digests = set[str]()
    for seed in ("0", "1", "random"):
        command = [sys.executable, "-c", program.format(noise=len(digests) * 1000 + len(seed))]
        env = {**os.environ, "PYTHONHASHSEED": seed}
        digests.add(subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout)
    assert len(digests) == 1


# Runs that do not end by themselves


def test_a_deadlock_names_who_waits_where_and_for_whom(driver: str):
    async def scenario() -> None:
        one, two = anyio.Lock(), anyio.Lock()

        async def take(first: anyio.Lock, second: anyio.Lock) -> None:
            async with first:
                await pause()
                async with second:
                    pass

        async with anyio.create_task_group() as group:
            group.start_soon(take, one, two, name="left")
            group.start_soon(take, two, one, name="right")

    run = faultloop.run(scenario, driver=driver)
    assert run.status is Status.DEADLOCKED
    stuck = {waiting.task: waiting for waiting in run.trace.outcome.waiting}
    assert stuck["scenario/left"].where == "take>Lock.acquire"
    assert (stuck["scenario/left"].owner, stuck["scenario/right"].owner) == ("scenario/right", "scenario/left")
    assert stuck["scenario/left"].place.startswith("tests/drivers/conformance/test_conformance.py:")


def test_steps_that_go_on_at_one_instant_are_a_livelock(driver: str):
    async def scenario() -> None:
        while True:
            await pause()

    run = faultloop.run(scenario, driver=driver, limits=Limits(livelock_turns=200, spin_turns=100))
    assert run.status is Status.LIVELOCKED


def test_too_many_steps_are_over_the_limit(driver: str):
    async def scenario() -> None:
        for _ in range(1_000_000):
            await anyio.sleep(0.001)

    run = faultloop.run(scenario, driver=driver, limits=Limits(steps=500))
    assert run.status is Status.OVER_LIMIT
    assert "limits.steps" in run.trace.outcome.message


def test_a_step_that_does_not_end_is_ended_by_the_clock_on_the_wall(driver: str):
    async def scenario() -> None:
        while True:
            pass

    run = faultloop.run(scenario, driver=driver, limits=Limits(wall_seconds=0.2))
    assert run.status is Status.OVER_LIMIT
    assert "a step did not end" in run.trace.outcome.message


def _swallowing() -> Any:
    async def scenario() -> None:
        async def stubborn() -> None:
            while True:
                try:
                    await anyio.sleep_forever()
                except BaseException:
                    continue

        async with anyio.create_task_group() as group:
            group.start_soon(stubborn)

    return scenario


def _shielded() -> Any:
    async def scenario() -> None:
        with anyio.CancelScope(shield=True):
            await anyio.Event().wait()

    return scenario


def _cleaning_up_for_ever() -> Any:
    async def scenario() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                for _ in range(1_000_000):
                    await anyio.sleep(1)

    return scenario


@pytest.mark.parametrize("make", [_swallowing, _shielded, _cleaning_up_for_ever])
def test_a_run_ends_whatever_its_tasks_do_with_their_cancellation(driver: str, make: Any):
    assert faultloop.run(make(), driver=driver).status is Status.DEADLOCKED
    assert passed(busy, driver).value  # and leaves nothing behind that another run would meet


def test_an_error_of_the_scenarios_own_is_told_with_its_place(driver: str):
    async def scenario() -> None:
        await pause()
        raise LookupError("gone")

    run = faultloop.run(scenario, driver=driver)
    assert run.status is Status.CRASHED
    assert run.trace.outcome.raised is not None
    assert run.trace.outcome.raised.type == "LookupError"
    assert run.trace.outcome.raised.place.startswith("tests/drivers/conformance/test_conformance.py:")


# What surrounds a run


def test_work_for_threads_is_done_at_once_and_its_await_stays_one(driver: str):
    async def scenario() -> tuple[int, list[str]]:
        log: list[str] = []

        async def other() -> None:
            log.append("other")

        async with anyio.create_task_group() as group:
            group.start_soon(other)
            answer = await anyio.to_thread.run_sync(pow, 6, 2)
        return answer, log

    run = passed(scenario, driver)
    assert run.value == (36, ["other"])
    assert run.virtual_time == 0


def test_an_error_of_a_threads_job_comes_out_at_its_await(driver: str):
    async def scenario() -> str:
        try:
            await anyio.to_thread.run_sync(int, "no number")
        except ValueError as error:
            return str(error)
        return ""

    assert "no number" in passed(scenario, driver).value


def test_time_stands_still_while_a_real_thread_works(driver: str):
    async def scenario() -> int:
        with anyio.fail_after(0.000_001):
            return await anyio.to_thread.run_sync(sum, range(300_000))

    assert passed(scenario, driver, threads="real").value == sum(range(300_000))


@pytest.mark.parametrize("around", ["asyncio", "trio"])
def test_a_run_within_a_running_loop_leaves_that_loop_alone(driver: str, around: str):
    async def outer() -> list[str]:
        await pause()
        inner = passed(busy, driver).value
        await pause()
        async with anyio.create_task_group() as group:
            group.start_soon(pause)
        return list(inner)

    assert anyio.run(outer, backend=around) == passed(busy, driver).value


def test_the_trace_names_its_driver(driver: str):
    assert passed(busy, driver).trace.env.driver == driver
