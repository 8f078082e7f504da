"""What a driver promises of orders, of ends and of what surrounds a run, tried on every one there is."""

import os
import subprocess
import sys
from typing import Any

import anyio
import anyio.to_thread
import pytest

import faultloop
from faultloop import Status
from faultloop.model.limits import Limits
from faultloop.model.trace import Order
from tests.drivers.conformance.kit import DRIVERS, busy, passed, pause
from tests.support.length import times

pytestmark = pytest.mark.parametrize("driver", DRIVERS)


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
