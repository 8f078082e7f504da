"""Threads and the jobs given to them: they end in virtual time, wake the loop, and repeat."""

import asyncio
import concurrent.futures
import contextvars
import functools
import os
import threading
from typing import Any

import anyio
import anyio.to_thread
import pytest

import faultloop
from faultloop import Limits, Status
from faultloop.errors import EscapeRefused
from tests.drivers.support import value

Log = list[Any]
both_modes = pytest.mark.parametrize("threads", ["inline", "real"])


def test_call_soon_threadsafe_from_a_real_thread_wakes_the_loop():
    async def scenario() -> str:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[str] = loop.create_future()
        thread = threading.Thread(target=lambda: loop.call_soon_threadsafe(future.set_result, "posted"))
        thread.start()
        try:
            return await future
        finally:
            thread.join()

    assert value(scenario, threads="real") == "posted"


def test_posts_of_two_threads_are_taken_in_the_order_their_threads_began():
    """The younger one posts first, and still the loop is told the elder's first."""

    async def scenario() -> Log:
        loop = asyncio.get_running_loop()
        log: Log = []
        younger_posted, may_end = threading.Event(), threading.Event()

        def elder() -> None:
            younger_posted.wait()
            loop.call_soon_threadsafe(log.append, "elder 1")
            loop.call_soon_threadsafe(log.append, "elder 2")
            may_end.wait()

        def younger() -> None:
            loop.call_soon_threadsafe(log.append, "younger")
            younger_posted.set()
            may_end.wait()

        threads = [threading.Thread(target=elder), threading.Thread(target=younger)]
        for thread in threads:
            thread.start()
        await asyncio.sleep(1)
        may_end.set()
        for thread in threads:
            thread.join()
        return log

    assert value(scenario, threads="real") == ["elder 1", "elder 2", "younger"]


def test_time_stands_still_while_a_real_job_runs():
    async def scenario() -> float:
        gate = threading.Event()
        job = asyncio.to_thread(gate.wait, 10)
        task = asyncio.create_task(job)
        asyncio.get_running_loop().call_later(5, gate.set)
        gate.set()
        assert await task
        return asyncio.get_running_loop().time()

    assert value(scenario, threads="real") == 0


@both_modes
def test_run_in_executor_gives_result_and_error(threads: Any):
    async def scenario() -> Log:
        loop = asyncio.get_running_loop()
        with pytest.raises(ZeroDivisionError):
            await loop.run_in_executor(None, lambda: 1 // 0)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            return [await loop.run_in_executor(None, pow, 2, 5), await loop.run_in_executor(pool, pow, 2, 6)]

    assert value(scenario, threads=threads) == [32, 64]


@both_modes
def test_to_thread_carries_context_and_has_no_running_loop(threads: Any):
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")

    def job() -> str:
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        return variable.get()

    async def scenario() -> Log:
        variable.set("carried")
        return [await asyncio.to_thread(job), await anyio.to_thread.run_sync(job)]

    assert value(scenario, threads=threads) == ["carried", "carried"]


@pytest.mark.parametrize("through", ["executor", "to_thread", "anyio"])
def test_an_inline_job_never_ends_within_the_call(through: str):
    """Its result comes at a step of its own: others run in between, as they would beside a real thread."""

    async def scenario() -> Log:
        log: Log = []
        asyncio.get_running_loop().call_soon(log.append, "another callback")
        if through == "executor":
            await asyncio.get_running_loop().run_in_executor(None, log.append, "job")
        elif through == "to_thread":
            await asyncio.to_thread(log.append, "job")
        else:
            await anyio.to_thread.run_sync(log.append, "job")
        return log

    assert value(scenario) == ["another callback", "job"]


@pytest.mark.parametrize("through", ["executor", "anyio"])
def test_an_inline_job_that_raises_stop_iteration_says_so(through: str):
    def job() -> None:
        next(iter(()))

    async def scenario() -> str:
        executed = asyncio.get_running_loop().run_in_executor(None, job) if through == "executor" else None
        with pytest.raises(RuntimeError, match="StopIteration"):
            await (executed or anyio.to_thread.run_sync(job))
        return "told"

    assert value(scenario) == "told"


@both_modes
def test_a_jobs_effect_stays_when_its_waiter_is_cancelled(threads: Any):
    async def scenario() -> Log:
        log: Log = []
        task = asyncio.create_task(asyncio.to_thread(log.append, "effect"))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(1)
        return log

    assert value(scenario, threads=threads) == ["effect"]


@pytest.mark.parametrize("abandon", [False, True])
def test_an_anyio_job_that_is_cancelled_is_waited_for_unless_it_may_be_abandoned(abandon: bool):
    """Cancelled after each number of turns: before the job began, between its call and its step, and after it."""

    async def scenario(turns: int) -> Log:
        log: Log = []

        async def cancel_later() -> None:
            for _ in range(turns):
                await asyncio.sleep(0)
            scope.cancel()

        def job() -> str:
            log.append("effect")
            return "result"

        with anyio.CancelScope() as scope:
            canceller = asyncio.create_task(cancel_later())
            log.append(await anyio.to_thread.run_sync(job, abandon_on_cancel=abandon))
        await canceller
        return log

    logs = [value(functools.partial(scenario, turns)) for turns in range(8)]
    assert logs[0] == []
    assert logs[-1] == ["effect", "result"]
    assert (["effect"] in logs) == abandon


def test_an_inline_job_that_waits_for_the_loop_is_named_by_the_wall_limit():
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        event = threading.Event()
        loop.call_later(1, event.set)
        await asyncio.to_thread(event.wait)

    run = faultloop.run(scenario, limits=Limits(wall_seconds=0.3))
    assert run.status is Status.OVER_LIMIT
    assert 'threads="real"' in run.trace.outcome.message


def test_a_process_pool_is_refused_by_name_and_code():
    async def scenario() -> None:
        with concurrent.futures.ProcessPoolExecutor(1) as pool:
            await asyncio.get_running_loop().run_in_executor(pool, os.getpid)

    run = faultloop.run(scenario)
    assert isinstance(run.exception, EscapeRefused)
    assert run.exception.code == "FL302"
    assert "ProcessPoolExecutor" in str(run.exception)
