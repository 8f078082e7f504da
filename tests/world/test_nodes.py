"""Nodes die without a word, and start again."""

import asyncio
import contextlib
import gc
import tracemalloc
from typing import Any

import pytest

import faultloop
from faultloop import Status, world
from faultloop.deciders.calm import Calm
from faultloop.drivers.asyncio.run import execute
from faultloop.drivers.settings import Settings
from faultloop.model.faults import Crash, Pause
from faultloop.search.conditions import Conditions
from faultloop.search.run import run_with
from faultloop.search.sweep import Scope, trials
from tests.drivers.support import passed, value
from tests.support.length import times
from tests.world.programs_nodes import Log, careful, echo_server


def crashing(log: Log) -> Any:
    async def scenario() -> None:
        node = world.node("worker-1")
        node.start(careful, log)
        await asyncio.sleep(10)
        node.crash()
        assert not node.is_up
        await asyncio.sleep(100)

    return scenario


def test_a_crash_runs_no_code_of_the_node_at_all_not_even_when_memory_is_given_back():
    log: Log = []
    passed(crashing(log))
    for _ in range(3):
        gc.collect()
    assert log == [1]


def test_without_the_crash_all_of_it_runs():
    log: Log = []

    async def scenario() -> None:
        node = world.node("worker-1")
        node.start(careful, log)
        with contextlib.suppress(TimeoutError):
            await node.finished()

    passed(scenario)
    assert "called back" in log
    assert {"finally", "left with", "left async with", "left stack", "left async stack", "left forever"} <= set(log)


def test_a_crash_planned_at_an_await_is_the_same_run_each_time_and_replays():
    log: Log = []

    async def scenario() -> None:
        node = world.node("worker-1")
        node.start(careful, log)
        await asyncio.sleep(20)

    for phase in ("parked", "woken"):
        fault = f"crash worker-1 @ forever #3 {phase}"
        runs = [passed(scenario, faults=[fault]) for _ in range(3)]
        assert [run.not_reached for run in runs] == [()] * 3
        assert len({run.trace.digest for run in runs}) == 1
        assert faultloop.replay(runs[0].trace, scenario).same_digest
    assert set(log) == {1}


def test_crashes_by_the_thousand_leave_nothing_behind():
    """Without growth from the 200th run on; runs of this size would leave megabytes if each left its tasks."""
    log: Log = []
    scenario = crashing(log)

    def many(count: int) -> int:
        for _ in range(count):
            execute(scenario, Settings())
        log.clear()
        gc.collect()
        return len(gc.get_objects())

    before = many(200)
    tracemalloc.start()
    try:
        first = tracemalloc.get_traced_memory()[0]
        after = many(times(1_000))
        grown = tracemalloc.get_traced_memory()[0] - first
    finally:
        tracemalloc.stop()
    assert after - before < 200
    assert grown < 200_000


def test_a_restart_makes_all_that_was_started_anew_and_what_was_durable_is_still_there():
    async def scenario() -> Log:
        durable: Log = []
        log: Log = []

        async def work() -> None:
            memory: Log = []
            while len(durable) < 5:
                memory.append(len(durable))
                await asyncio.sleep(1)
                durable.append(len(memory))

        node = world.node("worker-1")
        node.start(work)
        await asyncio.sleep(2.5)
        node.crash()
        await asyncio.sleep(10)
        log.append(list(durable))
        node.restart()
        await node.finished()
        return [*log, durable, asyncio.get_running_loop().time(), node.crashes]

    assert value(scenario) == [[1, 2], [1, 2, 1, 2, 3], 15.5, 1]


def test_a_planned_crash_may_bring_the_node_back():
    async def scenario() -> Log:
        starts: Log = []

        async def work() -> None:
            starts.append(asyncio.get_running_loop().time())
            await asyncio.sleep(2)

        node = world.node("worker-1")
        node.start(work)
        await node.finished()
        return starts

    assert value(scenario) == [0.0]
    assert value(scenario, faults=["crash:5s worker-1 @ work"]) == [0.0, 5.0]
    assert faultloop.run(scenario, faults=["crash worker-1 @ work"]).status is Status.DEADLOCKED


def test_a_task_of_a_task_is_hit_by_the_name_of_its_node():
    async def scenario() -> Log:
        log: Log = []

        async def job() -> None:
            await asyncio.sleep(1)
            log.append("job")

        async def work() -> None:
            await asyncio.gather(job(), job())
            log.append("work")

        world.node("worker-1").start(work)
        await asyncio.sleep(5)
        return log

    assert value(scenario) == ["job", "job", "work"]
    run = passed(scenario, faults=["crash worker-1 @ job"])
    assert run.value == []
    assert run.trace.delivered[0].point.task.endswith("/worker-1/job")


def test_a_fault_of_nodes_on_a_task_without_one_says_so():
    async def scenario() -> None:
        await asyncio.create_task(asyncio.sleep(1), name="alone")

    run = faultloop.run(scenario, faults=["crash alone @ sleep", "pause:5s alone @ sleep"])
    assert [missed.reason for missed in run.not_reached] == [
        "the task runs on no node: start it with world.node(name).start(...)"
    ] * 2


def test_explore_crashes_nodes_and_leaves_other_tasks_alone():
    """A worker that acknowledges before it has written loses the job when it crashes in between, and only then."""

    async def scenario() -> None:
        queue, written = ["job"], []

        async def work() -> None:
            while queue:
                job = queue.pop()
                await asyncio.sleep(1)
                written.append(job)

        world.node("worker-1").start(work)
        await asyncio.sleep(20)
        assert written == ["job"]

    found = faultloop.explore(scenario, faults=["crash:5s"], runs=100)
    assert found.status == "violated"
    assert {failure.fault for failure in found.failures} <= {
        "crash:5s scenario/worker-1 @ work>sleep #1 parked",
        "crash:5s scenario/worker-1 @ work>sleep #1 woken",
    }
    assert any("runs on no node" in str(skipped) for skipped in found.not_tried)
    assert faultloop.replay(found.failures[0].trace, scenario).same_digest


async def two_nodes() -> None:
    """A worker and its client over a connection, with a third party beside them."""
    ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    world.node("server").start(echo_server, ready)

    async def call() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", await ready)
        for _ in range(2):
            writer.write(b"one\n")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(reader.readline(), 5)
            await asyncio.sleep(1)
        writer.close()

    world.node("client").start(call)
    await asyncio.sleep(30)


@pytest.mark.parametrize("io", ["auto", "simulated"])
def test_a_fast_run_with_a_crash_or_a_pause_is_the_traced_one(io: Any):
    under = Conditions.of(io=io)
    kinds = (Crash(), Crash(3 * 10**9), Pause(7 * 10**9))
    parent = run_with(two_nodes, Calm(), under, collect=True)
    known = list(trials(parent, Scope(kinds), lambda _: None))
    assert len(known) > 30
    for trial in known:
        fast = execute(two_nodes, under.settings("fifo"), strikes=(trial.strike,))
        traced = faultloop.run(two_nodes, faults=[trial.planned], io=io)
        assert (fast.steps, fast.now, fast.has_landed) == (traced.steps, traced.trace.stats.virtual_ns, True), trial
        assert traced.not_reached == (), trial
