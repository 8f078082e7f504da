"""Threads that a program makes itself, or has libraries make: waited for while they may answer, and no longer."""

import asyncio
import concurrent.futures
import contextlib
import hashlib
import random
import threading
import time
from collections.abc import Callable
from typing import Any, Literal

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest
import trio

import faultloop
from faultloop import Status
from faultloop.drivers.asyncio import threads
from faultloop.drivers.rest import LAST_ANSWER_SECONDS
from faultloop.drivers.trio import threads as trio_threads
from faultloop.errors import EscapeRefused
from faultloop.report.story import story
from tests.drivers.support import passed, value

Driver = Literal["asyncio", "trio"]
SHORT = 0.02
"""Of real time, in a thread that waits with a timeout."""
each_driver = pytest.mark.parametrize("driver", ["asyncio", "trio"])
each_mode = pytest.mark.parametrize("mode", ["inline", "real", "paced"])


class Answer:
    """What a thread tells a loop of either kind, when it is told to."""

    def __init__(self) -> None:
        self.answered = anyio.Event()
        try:
            self.post: Callable[[Callable[[], object]], object] = asyncio.get_running_loop().call_soon_threadsafe
        except RuntimeError:
            self.post = trio.lowlevel.current_trio_token().run_sync_soon

    def after(self, wait: Callable[[], object]) -> threading.Thread:
        """A thread that waits and then answers."""

        def work() -> None:
            wait()
            with contextlib.suppress(RuntimeError):  # nobody is there any more
                self.post(self.answered.set)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        return thread


@each_driver
def test_a_thread_that_sleeps_and_then_answers_is_no_deadlock(driver: Driver):
    async def scenario() -> str:
        answer = Answer()
        thread = answer.after(lambda: threading.Event().wait(SHORT))
        await answer.answered.wait()
        thread.join()
        return "answered"

    assert value(scenario, driver=driver) == "answered"


def test_a_thread_that_came_when_another_went_is_seen():
    """Goal: a run does not go by the count of threads. Method: one of before ends as a new one begins."""
    leaving = threading.Event()
    before = threading.Thread(target=leaving.wait)
    before.start()

    async def scenario() -> str:
        leaving.set()
        before.join()
        answer = Answer()
        thread = answer.after(lambda: threading.Event().wait(SHORT))
        await answer.answered.wait()
        thread.join()
        return "answered"

    assert value(scenario) == "answered"


@each_driver
def test_threads_that_wait_for_what_nobody_does_are_a_deadlock_at_once(driver: Driver):
    never = threading.Event()

    async def scenario() -> None:
        answer = Answer()
        answer.after(never.wait)
        await answer.answered.wait()

    began = time.perf_counter()
    run = faultloop.run(scenario, driver=driver)
    assert run.status is Status.DEADLOCKED
    assert time.perf_counter() - began < LAST_ANSWER_SECONDS
    never.set()


@each_driver
def test_what_computes_beside_a_program_without_threads_leaves_no_doubt_of_a_deadlock(driver: Driver):
    end = threading.Event()

    def compute() -> None:  # without the interpreter's lock, as libraries in C do
        while not end.is_set():
            hashlib.pbkdf2_hmac("sha256", b"", b"", 100_000)

    thread = threading.Thread(target=compute, daemon=True)
    thread.start()

    async def scenario() -> None:
        await anyio.Event().wait()

    run = faultloop.run(scenario, driver=driver)
    end.set()
    thread.join()
    assert run.status is Status.DEADLOCKED


@each_driver
def test_of_a_thread_that_may_still_answer_nobody_says_that_it_is_a_deadlock(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
):
    for module in (threads, trio_threads):
        monkeypatch.setattr(module, "LAST_ANSWER_SECONDS", SHORT)
    end = threading.Event()

    async def scenario() -> None:
        answer = Answer()
        answer.after(lambda: end.wait(60))
        await answer.answered.wait()

    run = faultloop.run(scenario, driver=driver)
    end.set()
    assert run.status is Status.OVER_LIMIT
    assert "a thread that may still answer has not" in " ".join(story(run.trace).split())


@each_mode
def test_a_job_of_a_programs_own_pool_is_waited_for_and_its_idle_workers_are_not(mode: Any):
    async def scenario() -> bool:
        pool = concurrent.futures.ThreadPoolExecutor()
        pools.append(pool)
        said = await asyncio.wrap_future(pool.submit(threading.Event().wait, SHORT))
        await asyncio.Event().wait()
        return said

    pools: list[concurrent.futures.ThreadPoolExecutor] = []
    run = faultloop.run(scenario, threads=mode, limits=faultloop.Limits(wall_seconds=5))
    for pool in pools:
        pool.shutdown()
    assert run.status is Status.DEADLOCKED
    assert "Event.wait" in story(run.trace)  # and not at the job, which was done


@each_driver
def test_time_stands_still_for_jobs_in_threads_of_anyios_own(driver: Driver):
    async def scenario() -> bool:
        with anyio.fail_after(SHORT / 2):
            return await anyio.to_thread.run_sync(threading.Event().wait, SHORT)

    assert value(scenario, driver=driver, threads="real") is False


@each_driver
def test_a_job_in_a_thread_that_waits_for_the_loop_lets_time_move(driver: Driver):
    async def later() -> float:
        await anyio.sleep(10)
        return anyio.current_time()

    async def scenario() -> float:
        began = anyio.current_time()
        return await anyio.to_thread.run_sync(anyio.from_thread.run, later) - began

    assert value(scenario, driver=driver, threads="real") == 10


def test_a_limiter_that_is_held_in_virtual_time_keeps_no_job_waiting_in_real_time():
    async def scenario() -> float:
        limiter = anyio.CapacityLimiter(1)

        async def hold() -> None:
            async with limiter:
                await anyio.sleep(5)

        async with anyio.create_task_group() as group:
            group.start_soon(hold)
            await anyio.sleep(1)
            await anyio.to_thread.run_sync(lambda: None, limiter=limiter)
        return asyncio.get_running_loop().time()

    assert value(scenario, threads="real") == value(scenario) == 5


# Inline


@pytest.mark.parametrize("hand_over", [asyncio.to_thread, anyio.to_thread.run_sync])
def test_a_job_that_is_a_function_of_the_machines_clock_moves_the_loops(hand_over: Any):
    async def scenario() -> float:
        await hand_over(time.sleep, 3600)
        await asyncio.get_running_loop().run_in_executor(None, time.sleep, 3600)
        return asyncio.get_running_loop().time()

    assert value(scenario) == 7200
    assert value(scenario, entropy=faultloop.Entropy(spared=("myapp",))) == 7200


def test_a_job_that_is_a_function_of_chance_is_the_runs():
    async def scenario() -> list[float]:
        return [await asyncio.to_thread(random.random) for _ in range(3)]

    assert value(scenario) == value(scenario)


@each_driver
def test_an_inline_job_calls_functions_in_the_loop(driver: Driver):
    async def scenario() -> bool:
        event = anyio.Event()

        def job() -> bool:
            anyio.from_thread.check_cancelled()
            anyio.from_thread.run_sync(event.set)
            return event.is_set()

        return await anyio.to_thread.run_sync(job)

    assert value(scenario, driver=driver) is True


def test_an_inline_job_has_no_loop_of_its_own_before_and_after_it_calls_one():
    async def scenario() -> list[bool]:
        def has_loop() -> bool:
            try:
                return asyncio.get_running_loop() is loop
            except RuntimeError:
                return False

        def job() -> list[bool]:
            return [has_loop(), anyio.from_thread.run_sync(has_loop), has_loop()]

        loop = asyncio.get_running_loop()
        return await anyio.to_thread.run_sync(job)

    assert value(scenario) == [False, True, False]


@each_driver
def test_an_inline_job_that_waits_for_the_loop_is_refused_by_name(driver: Driver):
    async def scenario() -> None:
        await anyio.to_thread.run_sync(anyio.from_thread.run, anyio.sleep, 1)

    run = faultloop.run(scenario, driver=driver)
    assert isinstance(run.exception, EscapeRefused)
    assert run.exception.code == "FL308"
    assert "wants the loop to run sleep meanwhile" in str(run.exception)
    passed(scenario, driver=driver, threads="real")


def test_trios_own_way_from_a_thread_is_the_same():
    async def scenario(ask: Callable[[], Any]) -> Any:
        return await trio.to_thread.run_sync(ask)

    assert value(lambda: scenario(lambda: trio.from_thread.run_sync(trio.current_time)), driver="trio") == 0
    run = faultloop.run(lambda: scenario(lambda: trio.from_thread.run(trio.sleep, 1)), driver="trio")
    assert isinstance(run.exception, EscapeRefused)
