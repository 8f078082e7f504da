"""A run inside whatever else runs: asyncio, trio, threads, and another run. It leaves all of them as they were."""

import asyncio
import gc
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import anyio
import pytest
import trio

import faultloop
from faultloop import Status


async def scenario() -> float:
    async with asyncio.TaskGroup() as group:
        for seconds in (1, 2, 3):
            group.create_task(asyncio.sleep(seconds))
    return asyncio.get_running_loop().time()


def one_run() -> str:
    """A run that passes, and its digest."""
    run = faultloop.run(scenario)
    assert (run.status, run.value) == (Status.PASSED, 3.0)
    return run.trace.digest


def test_inside_asyncio():
    """The outer loop is the running one again, and its own tasks go on."""

    async def outer() -> str:
        before = asyncio.get_running_loop()
        other = asyncio.create_task(asyncio.sleep(0))
        digest = one_run()
        assert asyncio.get_running_loop() is before
        assert asyncio.current_task() is not None
        await other
        return digest

    assert asyncio.run(outer()) == one_run()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_inside_anyio(backend: str):
    async def outer() -> str:
        digest = one_run()
        await anyio.lowlevel.checkpoint()
        return digest

    assert anyio.run(outer, backend=backend) == one_run()


def test_inside_trio():
    async def outer() -> str:
        digest = one_run()
        await trio.lowlevel.checkpoint()
        return digest

    assert trio.run(outer) == one_run()


@pytest.mark.parametrize("around", [trio.run, lambda outer: anyio.run(outer, backend="trio")])
def test_anyio_inside_a_run_inside_trio(around: Callable[..., str]):
    """Which library runs is asked anew inside the run, not taken from around it."""

    async def inner() -> str:
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 1)
        return "slept"

    async def outer() -> str:
        return str(faultloop.run(inner).value)

    assert around(outer) == "slept"


def test_in_a_thread():
    """Off the main thread there is no alarm, and no signal handler is touched."""
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(one_run).result() == one_run()


def test_many_threads_at_once():
    """Runs share the process: the lent name `asyncio.Future`, the fixes, the garbage collector. None disturbs."""
    at_once = 4
    barrier = threading.Barrier(at_once)

    def some_runs() -> set[str]:
        barrier.wait()
        return {one_run() for _ in range(25)}

    name_before, collects = asyncio.Future, gc.isenabled()
    with ThreadPoolExecutor(at_once) as pool:
        digests = [future.result() for future in [pool.submit(some_runs) for _ in range(at_once)]]
    assert set.union(*digests) == {one_run()}
    assert asyncio.Future is name_before
    assert gc.isenabled() == collects


def test_bare_futures_in_many_threads_at_once():
    async def with_bare_futures() -> int:
        waiting: set[asyncio.Future[int]] = {asyncio.Future() for _ in range(5)}
        for n, future in enumerate(waiting):
            asyncio.get_running_loop().call_later(n, future.set_result, n)
        await asyncio.wait(waiting)
        await asyncio.sleep(1)
        return sum(future.result() for future in waiting)

    name_before = asyncio.Future
    barrier = threading.Barrier(4)

    def some_runs() -> set[str]:
        barrier.wait()
        runs = [faultloop.run(with_bare_futures) for _ in range(25)]
        assert {run.value for run in runs} == {10}
        return {run.trace.digest for run in runs}

    with ThreadPoolExecutor(4) as pool:
        digests = [future.result() for future in [pool.submit(some_runs) for _ in range(4)]]
    assert len(set.union(*digests)) == 1
    assert asyncio.Future is name_before


def test_a_run_inside_a_run():
    async def outer() -> tuple[str, float]:
        await asyncio.sleep(1)
        digest = one_run()
        assert isinstance(asyncio.get_running_loop().create_future(), asyncio.Future)
        await asyncio.sleep(1)
        return digest, asyncio.get_running_loop().time()

    run = faultloop.run(outer)
    assert (run.status, run.value) == (Status.PASSED, (one_run(), 2.0))


def test_a_fault_of_the_inner_run_stays_there():
    async def inner() -> None:
        await asyncio.sleep(1)

    async def outer() -> Status:
        status = faultloop.run(inner, faults=["cancel inner @ sleep"]).status
        await asyncio.sleep(1)
        return status

    run = faultloop.run(outer)
    assert (run.status, run.value) == (Status.PASSED, Status.PROPAGATED)


def test_the_outer_runs_limit_on_real_time_holds_after_an_inner_run():
    async def outer() -> None:
        faultloop.run(scenario)
        while True:
            pass

    run = faultloop.run(outer, limits=faultloop.Limits(wall_seconds=0.3))
    assert run.status is Status.OVER_LIMIT


def test_what_the_process_had_before_is_there_afterwards():
    before = (signal.getsignal(signal.SIGALRM), signal.getsignal(signal.SIGINT), gc.isenabled(), asyncio.Future)
    one_run()
    assert (signal.getsignal(signal.SIGALRM), signal.getsignal(signal.SIGINT), gc.isenabled(), asyncio.Future) == before
    assert asyncio._get_running_loop() is None


def test_a_handler_of_the_users_for_alarms_is_left_alone():
    def mine(number: int, frame: object) -> None:
        raise AssertionError("no alarm was set")

    before = signal.signal(signal.SIGALRM, mine)
    try:
        one_run()
        assert signal.getsignal(signal.SIGALRM) is mine
    finally:
        signal.signal(signal.SIGALRM, before)


def test_asyncio_works_as_ever_after_a_run():
    """The fixes stay installed; outside a run they are silent."""
    one_run()

    async def plain() -> list[int]:
        lock, queue = asyncio.Lock(), asyncio.Queue[int]()
        async with lock:
            queue.put_nowait(1)
        results = [await each for each in asyncio.as_completed([queue.get(), asyncio.sleep(0, 2)])]
        assert hash(lock) == object.__hash__(lock)
        return sorted(results)

    assert asyncio.run(plain()) == [1, 2]
