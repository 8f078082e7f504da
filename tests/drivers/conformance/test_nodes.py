"""Nodes on every driver: they die without a word, stand still, start again, and have clocks of their own."""

import contextlib
import gc
import time
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import anyio
import pytest

import faultloop
from faultloop import Status, world
from faultloop.drivers.driver import driver_named
from faultloop.drivers.settings import Settings
from faultloop.errors import UsageError
from tests.drivers.conformance.kit import DRIVERS, passed, pause

pytestmark = pytest.mark.parametrize("driver", DRIVERS)

Log = list[Any]


@contextlib.contextmanager
def noted(log: Log, name: str) -> Iterator[None]:
    try:
        yield
    finally:
        log.append(f"left {name}")


async def counted(log: Log) -> AsyncGenerator[int, None]:
    try:
        for number in range(10):
            yield number
    finally:
        log.append("left the generator")


async def forever(log: Log) -> None:
    try:
        while True:  # noqa: ASYNC110
            await anyio.sleep(1)
    finally:
        log.append("left forever")


async def careful(log: Log) -> None:
    """Has everything open that cleans up when a coroutine is let go."""
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(noted(log, "stack"))
        stack.callback(log.append, "called back")
        with anyio.move_on_after(50):
            async with anyio.create_task_group() as group:
                group.start_soon(forever, log, name="child")
                with noted(log, "with"):
                    async with contextlib.aclosing(counted(log)) as numbers:
                        async for number in numbers:
                            try:
                                log.append(number)
                                await forever(log)
                            except BaseException as error:
                                log.append(f"caught {type(error).__name__}")
                                raise
                            finally:
                                log.append("finally")


def crashing(log: Log) -> Any:
    async def scenario() -> None:
        node = world.node("worker-1")
        node.start(careful, log)
        await anyio.sleep(3.5)
        node.crash()
        await anyio.sleep(100)

    return scenario


def test_a_crash_runs_no_code_of_the_node_at_all_not_even_when_memory_is_given_back(driver: str):
    log: Log = []
    run = passed(crashing(log), driver)
    for _ in range(3):
        gc.collect()
    assert log == [0]
    assert run.virtual_time == 103.5
    assert run.trace.outcome.findings == ()


@contextlib.asynccontextmanager
async def slowly_opened(log: Log) -> AsyncGenerator[None]:
    try:
        await anyio.sleep(50)
        yield
    finally:
        log.append("left what was being opened")


async def iterated(log: Log) -> AsyncGenerator[int]:
    try:
        await anyio.sleep(50)
        yield 1
    finally:
        log.append("left what was being iterated")


async def opening(log: Log) -> None:
    async with slowly_opened(log):
        log.append("opened")


async def iterating(log: Log) -> None:
    async for number in iterated(log):
        log.append(number)


@pytest.mark.parametrize("work", [opening, iterating])
def test_a_crash_within_the_await_of_an_async_generator_runs_no_code_of_it_and_is_not_told(driver: str, work: Any):
    """Such a generator says that it is running, as it is asked for its next value; nobody finalizes it afterwards."""
    log: Log = []

    async def scenario() -> None:
        node = world.node("worker-1")
        node.start(work, log)
        await anyio.sleep(10)
        node.crash()
        await anyio.sleep(100)

    assert passed(scenario, driver).trace.outcome.findings == ()
    for _ in range(3):
        gc.collect()  # what cannot be raised here is a warning, and those are errors
    assert log == []


def test_without_the_crash_all_of_it_runs(driver: str):
    log: Log = []

    async def scenario() -> None:
        node = world.node("worker-1")
        node.start(careful, log)
        await node.finished()

    passed(scenario, driver)
    assert {"finally", "left with", "left stack", "called back", "left forever"} <= set(log)


def test_a_crash_planned_at_an_await_is_the_same_run_each_time_and_replays(driver: str):
    log: Log = []

    async def scenario() -> None:
        world.node("worker-1").start(careful, log)
        await anyio.sleep(20)

    runs = [passed(scenario, driver, faults=["crash worker-1 @ forever #3 parked"]) for _ in range(3)]
    assert [run.not_reached for run in runs] == [()] * 3
    assert len({run.trace.digest for run in runs}) == 1
    assert faultloop.replay(runs[0].trace, scenario).same_digest
    assert set(log) == {0}


def test_many_crashes_leave_nothing_behind(driver: str):
    log: Log = []
    execute = driver_named(driver).execute

    def many(count: int) -> int:
        for _ in range(count):
            assert execute(crashing(log), Settings()).error is None
        log.clear()
        gc.collect()
        return len(gc.get_objects())

    before = many(100)
    assert many(300) - before < 200


def test_a_planned_crash_may_bring_the_node_back(driver: str):
    async def scenario() -> Log:
        starts: Log = []

        async def work() -> None:
            starts.append(time.monotonic())
            await anyio.sleep(2)

        node = world.node("worker-1")
        node.start(work)
        await node.finished()
        return [*starts, node.crashes]

    assert passed(scenario, driver).value == [0, 0]
    assert passed(scenario, driver, faults=["crash:5s worker-1 @ work"]).value == [0, 5, 1]
    assert faultloop.run(scenario, driver=driver, faults=["crash worker-1 @ work"]).status is Status.DEADLOCKED


def test_a_paused_node_goes_on_late_and_does_not_know_it(driver: str):
    async def scenario() -> Log:
        log: Log = []

        async def work() -> None:
            for _ in range(3):
                await anyio.sleep(1)
                log.append(time.monotonic())

        node = world.node("worker-1")
        node.start(work)
        await node.finished()
        return log

    assert passed(scenario, driver, faults=["pause:10s worker-1 @ work #2"]).value == [1, 11, 12]


def test_a_paused_node_that_crashes_is_gone(driver: str):
    async def scenario() -> Log:
        log: Log = []
        node = world.node("worker-1")
        node.start(forever, log)
        await anyio.sleep(1.5)
        node.pause()
        await anyio.sleep(5)
        node.crash()
        node.resume()
        await anyio.sleep(5)
        return log

    run = passed(scenario, driver)
    assert (run.value, run.virtual_time) == ([], 11.5)


def test_a_task_of_a_task_is_hit_by_the_name_of_its_node(driver: str):
    async def scenario() -> Log:
        log: Log = []

        async def job() -> None:
            await anyio.sleep(1)
            log.append("job")

        async def work() -> None:
            async with anyio.create_task_group() as group:
                group.start_soon(job, name="one")
                group.start_soon(job, name="two")
            log.append("work")

        world.node("worker-1").start(work)
        await anyio.sleep(5)
        return log

    assert passed(scenario, driver).value == ["job", "job", "work"]
    assert passed(scenario, driver, faults=["crash worker-1 @ job"]).value == []


def test_tasks_made_inside_a_with_block_are_the_nodes_and_their_group_waits_for_ever(driver: str):
    log: Log = []

    async def scenario() -> None:
        node = world.node("worker-1")
        async with anyio.create_task_group() as group:
            with node:
                group.start_soon(forever, log, name="mine")
            await anyio.sleep(2.5)
            node.crash()

    run = faultloop.run(scenario, driver=driver)
    assert run.status is Status.DEADLOCKED
    assert log == []


def test_a_fault_of_nodes_on_a_task_without_one_says_so(driver: str):
    async def scenario() -> None:
        await anyio.sleep(1)

    run = passed(scenario, driver, faults=["crash scenario @ sleep", "pause:5s scenario @ sleep"])
    assert ["runs on no node" in missed.reason for missed in run.not_reached] == [True, True]


def test_an_error_on_a_node_is_raised_to_who_waits_and_told_if_nobody_does(driver: str):
    async def broken() -> None:
        await pause()
        raise LookupError("gone")

    async def waits() -> str:
        node = world.node("worker-1")
        node.start(broken)
        try:
            await node.finished()
        except LookupError as error:
            return str(error)
        return ""

    async def does_not() -> None:
        world.node("worker-1").start(broken)
        await anyio.sleep(1)

    assert passed(waits, driver).value == "gone"
    run = faultloop.run(does_not, driver=driver)
    assert run.status is Status.VIOLATED
    assert "never retrieved" in run.trace.outcome.message


def test_a_task_of_a_node_that_is_left_at_the_end_is_told(driver: str):
    async def scenario() -> None:
        world.node("worker-1").start(forever, [])
        await anyio.sleep(1)

    assert "worker-1" in str(passed(scenario, driver).trace.outcome.findings)


def test_cancelling_a_task_of_one_node_spares_the_other_nodes(driver: str):
    async def scenario() -> Log:
        log: Log = []

        async def work(name: str) -> None:
            await anyio.sleep(1)
            log.append(name)

        for name in ("a", "b"):
            world.node(name).start(work, name)
        await anyio.sleep(2)
        return log

    assert passed(scenario, driver, faults=["cancel a @ work"]).value == ["b"]


def test_explore_crashes_nodes_and_leaves_other_tasks_alone(driver: str):
    async def scenario() -> None:
        queue, written = ["job"], []

        async def work() -> None:
            while queue:
                job = queue.pop()
                await anyio.sleep(1)
                written.append(job)

        world.node("worker-1").start(work)
        await anyio.sleep(20)
        assert written == ["job"]

    found = faultloop.explore(scenario, driver=driver, faults=["crash:5s"], runs=100)
    assert found.status == "violated"
    assert "crash:5s scenario/worker-1 @ work>sleep #1 parked" in {failure.fault for failure in found.failures}
    assert any("runs on no node" in str(skipped) for skipped in found.not_tried)
    assert faultloop.replay(found.failures[0].trace, scenario).same_digest


def test_each_node_has_a_wall_clock_of_its_own(driver: str):
    async def scenario() -> Log:
        log: Log = []

        async def say() -> None:
            log.append(time.time() - 1_767_225_600)

        world.node("late", clock=-60).start(say)
        world.node("right").start(say)
        await anyio.sleep(1)
        return log

    assert passed(scenario, driver).value == [-60, 0]


def test_a_disk_keeps_what_was_synced_through_a_crash(driver: str):
    async def scenario() -> Log:
        disk = world.disk("worker-1", latency=0.5)
        log = disk.open("log")
        await log.write(b"one", at=0)
        await log.sync()
        await log.write(b"two", at=3)
        world.node("worker-1").crash()
        return [bytes(await disk.open("log").read(10)), time.monotonic()]

    assert passed(scenario, driver).value == [b"one", 2]
    failed = faultloop.run(scenario, driver=driver, faults=["fail:OSError scenario @ File.sync #1"])
    assert isinstance(failed.exception, OSError)


@pytest.mark.parametrize("order", ["fifo", "batch", "any"])
def test_a_fast_run_with_nodes_is_the_traced_one(driver: str, order: Any):
    from faultloop.deciders.uniform import Uniform

    async def scenario() -> Log:
        log: Log = []

        async def work(name: str) -> None:
            for number in range(4):
                await anyio.sleep(number % 2)
                log.append(f"{name}{number}")

        one, two = world.node("one"), world.node("two")
        one.start(work, "a")
        one.start(work, "b")
        two.start(work, "c")
        await anyio.sleep(1)
        one.crash()
        two.pause()
        one.restart(after=0.5)
        await anyio.sleep(5)
        two.resume()
        await anyio.sleep(5)
        return log

    for seed in range(20):
        fast = driver_named(driver).execute(scenario, Settings(order, Uniform(seed).choose))
        slow = passed(scenario, driver, seed=seed, order=order)
        assert (fast.value, fast.steps, fast.now) == (slow.value, slow.steps, slow.trace.stats.virtual_ns)
        assert faultloop.replay(slow.trace, scenario).same_digest


def test_the_other_end_of_a_dead_nodes_connection_hears_that_it_is_closed(driver: str):
    async def scenario() -> bytes:
        async def serve(stream: Any) -> None:
            await stream.receive()

        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        node = world.node("server")
        node.start(listener.serve, serve)
        async with await anyio.connect_tcp("127.0.0.1", port) as client:
            await client.send(b"hello")
            await anyio.sleep(1)
            node.crash()
            try:
                return await client.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                return b"closed"

    assert passed(scenario, driver, io="loopback").value == b"closed"


def test_nodes_are_for_runs(driver: str):
    async def outside() -> None:
        world.node("worker-1")

    with pytest.raises(UsageError, match="FL532"):
        anyio.run(outside, backend=driver)
