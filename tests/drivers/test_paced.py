"""Threads that virtual time does not outrun, and threads that are named when runs differ."""

import asyncio
import itertools
import threading
import time
from typing import Any

import anyio
import anyio.to_thread
import pytest

import faultloop
from faultloop.drivers.asyncio.threads import thread_name
from tests.drivers.support import passed, value


def posting_after(real_seconds: float, timeout: float) -> Any:
    """A thread that posts after some real time, against a timeout in virtual time."""

    async def scenario() -> str:
        loop = asyncio.get_running_loop()
        posted = asyncio.Event()

        def work() -> None:
            may_go.wait(real_seconds)
            loop.call_soon_threadsafe(posted.set)

        may_go = threading.Event()
        thread = threading.Thread(target=work)
        thread.start()
        try:
            async with asyncio.timeout(timeout):
                await posted.wait()
            return "posted"
        except TimeoutError:
            may_go.set()
            return "timed out"
        finally:
            thread.join()

    return scenario


def test_paced_time_gives_a_thread_the_real_time_it_was_promised():
    assert value(posting_after(0.05, timeout=30), threads="paced") == "posted"
    assert value(posting_after(30, timeout=0.05), threads="paced") == "timed out"


def test_unpaced_time_jumps_past_a_thread_that_sleeps():
    assert value(posting_after(30, timeout=0.05), threads="real") == "timed out"


def test_paced_time_waits_for_jobs_and_times_them_out():
    async def scenario() -> list[Any]:
        quick = await asyncio.to_thread(lambda: 1)
        may_end = threading.Event()
        try:
            async with asyncio.timeout(0.05):
                await asyncio.to_thread(may_end.wait, 30)
        except TimeoutError:
            may_end.set()
            return [quick, "timed out"]
        return [quick]

    assert value(scenario, threads="paced") == [1, "timed out"]


def test_paced_time_jumps_once_no_thread_lives():
    async def scenario() -> float:
        await asyncio.to_thread(lambda: None)
        await asyncio.sleep(3600)
        return asyncio.get_running_loop().time()

    began = time.monotonic()
    assert value(scenario, threads="paced") == 3600
    assert time.monotonic() - began < 30


def test_a_thread_that_comes_as_another_one_ends_is_waited_for():
    """As many threads as at the beginning, but not the same: a count does not show that one came."""
    may_end = threading.Event()
    earlier = threading.Thread(target=may_end.wait)
    earlier.start()

    async def scenario() -> str:
        may_end.set()
        earlier.join()
        loop = asyncio.get_running_loop()
        posted = loop.create_future()
        never = threading.Event()

        def work() -> None:
            never.wait(0.05)  # until the loop has nothing else to do
            loop.call_soon_threadsafe(posted.set_result, "posted")

        later = threading.Thread(target=work)
        later.start()
        try:
            return str(await posted)
        finally:
            later.join()

    assert value(scenario, threads="paced") == "posted"


def test_a_thread_is_named_by_what_it_runs_and_never_by_its_number():
    class Pump(threading.Thread):
        pass

    assert thread_name(threading.Thread(target=time.sleep)) == "time.sleep"
    assert thread_name(Pump()).endswith("<locals>.Pump")
    assert thread_name(threading.Thread(name="pump-17")) == "pump"


async def with_asyncio(job: Any) -> Any:
    return await asyncio.to_thread(job)


async def with_executor(job: Any) -> Any:
    return await asyncio.get_running_loop().run_in_executor(None, job)


async def with_anyio(job: Any) -> Any:
    return await anyio.to_thread.run_sync(job)


@pytest.mark.parametrize("hand_over", [with_asyncio, with_executor, with_anyio])
def test_work_for_a_thread_is_delayed_failed_and_cancelled_as_any_await(hand_over: Any):
    async def scenario() -> list[Any]:
        done: list[Any] = []

        def job() -> str:
            done.append("done")
            return "result"

        async def ask() -> None:
            try:
                said = await hand_over(job)
            except OSError as error:
                said = str(error)
            except asyncio.CancelledError:
                said = "cancelled"
                raise
            finally:
                done.extend([said, asyncio.get_running_loop().time()])

        await asyncio.wait([asyncio.create_task(ask(), name="asker")])
        return done

    # anyio gives way twice before it hands the work over.
    place = "asker @ with_anyio #3" if hand_over is with_anyio else "asker @ with_* #1"
    assert value(scenario) == ["done", "result", 0.0]
    assert value(scenario, faults=[f"delay:3s {place} woken"]) == ["done", "result", 3.0]
    assert value(scenario, faults=[f"fail:OSError {place} woken"])[-2:] == ["injected by faultloop", 0.0]
    assert value(scenario, faults=[f"cancel:task {place} parked"])[-2:] == ["cancelled", 0.0]


_calls = itertools.count()


async def differs() -> None:
    """A program whose thread decides differently each time."""
    loop = asyncio.get_running_loop()
    turns = next(_calls)
    done = asyncio.Event()

    def feed() -> None:
        for _ in range(turns):
            loop.call_soon_threadsafe(lambda: None)
        loop.call_soon_threadsafe(done.set)

    thread = threading.Thread(target=feed)
    thread.start()
    await done.wait()
    thread.join()


def test_threads_are_named_when_they_make_runs_differ():
    found = faultloop.explore(differs, runs=10)
    assert found.status == "inconclusive"
    assert "threads of its own posted to the loop: tests.drivers.test_paced.differs.<locals>.feed" in found.reason
    assert faultloop.diagnose(differs).threads == ("tests.drivers.test_paced.differs.<locals>.feed",)


def test_a_paced_run_says_so_in_its_trace():
    assert passed(posting_after(0, timeout=30), threads="paced").trace.threads == "paced"
