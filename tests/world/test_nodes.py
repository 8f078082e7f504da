"""Nodes die without a word, stand still, start again, and have clocks of their own."""

import asyncio
import contextlib
import datetime
import gc
import socket
import time
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import faultloop
from faultloop import Status, world
from faultloop.deciders.calm import Calm
from faultloop.drivers.asyncio.run import execute
from faultloop.drivers.settings import Settings
from faultloop.errors import UsageError
from faultloop.model.faults import Crash, Pause
from faultloop.search.conditions import Conditions
from faultloop.search.run import run_with
from faultloop.search.sweep import Scope, trials
from tests.drivers.support import passed, value
from tests.support.length import times

Log = list[Any]


@contextlib.contextmanager
def noted(log: Log, name: str) -> Iterator[None]:
    try:
        yield
    finally:
        log.append(f"left {name}")


@contextlib.asynccontextmanager
async def noted_async(log: Log, name: str) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await asyncio.sleep(0)
        log.append(f"left {name}")


async def counted(log: Log) -> AsyncIterator[int]:
    number = 0
    try:
        while True:
            number += 1
            yield number
    finally:
        log.append("left the generator")


async def careful(log: Log) -> None:
    """Has everything open that cleans up when a coroutine is let go."""
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(noted(log, "stack"))
        await stack.enter_async_context(noted_async(log, "async stack"))
        stack.callback(log.append, "called back")
        async with asyncio.timeout(50):
            async with asyncio.TaskGroup() as group:
                group.create_task(forever(log), name="child")
                with noted(log, "with"):
                    async with noted_async(log, "async with"):
                        async for number in counted(log):
                            try:
                                log.append(number)
                                await forever(log)
                            except BaseException as error:
                                log.append(f"caught {type(error).__name__}")
                                raise
                            finally:
                                log.append("finally")


async def forever(log: Log) -> None:
    try:
        while True:  # noqa: ASYNC110
            await asyncio.sleep(1)
    finally:
        log.append("left forever")


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


# Pause


def test_a_paused_node_goes_on_late_and_does_not_know_it():
    async def scenario() -> Log:
        log: Log = []
        loop = asyncio.get_running_loop()

        async def work() -> None:
            for _ in range(3):
                await asyncio.sleep(1)
                log.append(("worker", loop.time()))

        async def other() -> None:
            for _ in range(3):
                await asyncio.sleep(1)
                log.append(("other", loop.time()))

        world.node("worker-1").start(work)
        await asyncio.gather(other(), asyncio.sleep(60))
        return log

    calm = [("worker", 1.0), ("other", 1.0), ("worker", 2.0), ("other", 2.0), ("worker", 3.0), ("other", 3.0)]
    assert sorted(value(scenario)) == sorted(calm)
    late = [("other", 1.0), ("other", 2.0), ("other", 3.0), ("worker", 30.0), ("worker", 31.0), ("worker", 32.0)]
    assert value(scenario, faults=["pause:30s worker-1 @ work"]) == late


def test_the_zombie_a_lease_that_runs_out_during_a_pause_is_held_by_two():
    async def scenario() -> None:
        holders: Log = []
        loop = asyncio.get_running_loop()
        lease = [0.0]

        async def work(name: str) -> None:
            while lease[0] > loop.time():  # noqa: ASYNC110
                await asyncio.sleep(1)
            lease[0] = loop.time() + 10
            holders.append(name)
            await asyncio.sleep(5)
            assert holders[-1] == name, "two hold the lease"

        for name in ("worker-1", "worker-2"):
            world.node(name).start(work, name)
        for name in ("worker-1", "worker-2"):
            await world.node(name).finished()

    passed(scenario)
    found = faultloop.explore(scenario, faults=["pause:30s"], runs=100)
    assert found.status == "violated"
    assert "pause" in found.failures[0].fault


def test_a_paused_node_that_crashes_is_gone():
    async def scenario() -> Log:
        log: Log = []
        node = world.node("worker-1")
        node.start(forever, log)
        await asyncio.sleep(1)
        node.pause()
        await asyncio.sleep(5)
        node.crash()
        node.resume()
        await asyncio.sleep(5)
        return log

    assert value(scenario) == []


# Connections


async def echo_server(ready: asyncio.Future[int], address: str = "127.0.0.1") -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    server = await asyncio.start_server(serve, address, 0)
    if not ready.done():
        ready.set_result(server.sockets[0].getsockname()[1])
    await server.serve_forever()


both_networks = pytest.mark.parametrize("io", ["auto", "simulated"])


@both_networks
def test_the_other_end_of_a_dead_nodes_connection_hears_that_it_is_closed(io: str):
    async def scenario() -> list[Any]:
        ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        node = world.node("server")
        node.start(echo_server, ready)
        port = await ready
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"one\n")
        first = await reader.readline()
        node.crash()
        rest = await reader.read()
        writer.close()
        with pytest.raises(OSError, match="onnect"):
            await asyncio.open_connection("127.0.0.1", port)
        return [first, rest]

    assert value(scenario, io=io) == [b"one\n", b""]


@both_networks
def test_a_paused_server_answers_when_it_goes_on(io: str):
    async def scenario() -> list[Any]:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[int] = loop.create_future()
        node = world.node("server")
        node.start(echo_server, ready)
        reader, writer = await asyncio.open_connection("127.0.0.1", await ready)
        writer.write(b"one\n")
        await reader.readline()
        node.pause()
        writer.write(b"two\n")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readline(), 5)
        node.resume()
        answer = await reader.readline()
        writer.close()
        return [answer, loop.time()]

    assert value(scenario, io=io) == [b"two\n", 5.0]


# Clocks


def test_each_node_has_a_wall_clock_of_its_own():
    async def scenario() -> dict[str, Any]:
        said: dict[str, Any] = {}

        async def tell(name: str) -> None:
            start = time.time() - time.monotonic()
            await asyncio.sleep(100)
            said[name] = [round(time.time() - start, 3), time.monotonic(), datetime.datetime.now(datetime.UTC).year]

        slow, ahead = world.node("slow"), world.node("ahead", clock=3600 * 24 * 366)
        slow.start(tell, "slow")
        ahead.start(tell, "ahead")
        slow.drift(-0.01)
        asyncio.get_running_loop().call_later(50, ahead.jump, -10)
        await tell("outside")
        await asyncio.sleep(1)
        return said

    assert value(scenario) == {
        "outside": [100.0, 100.0, 2026],
        "slow": [99.0, 100.0, 2026],
        "ahead": [90.0, 100.0, 2027],
    }


# Usage


def test_nodes_are_for_runs():
    with pytest.raises(UsageError, match="FL532"):
        world.node("worker-1")

    async def scenario() -> None:
        node = world.node("worker-1")
        assert world.node("worker-1").name == node.name
        node.crash()
        node.crash()
        with pytest.raises(UsageError, match="FL531"):
            node.start(forever, [])
        with pytest.raises(UsageError, match="FL531"), node:
            pass

    passed(scenario)


def test_tasks_made_inside_a_with_block_are_the_nodes():
    async def scenario() -> Log:
        log: Log = []
        node = world.node("worker-1")
        with node:
            task = asyncio.create_task(forever(log))
        await asyncio.sleep(2)
        node.crash()
        task.cancel()
        await asyncio.sleep(2)
        return [log, task.done()]

    assert value(scenario) == [[], False]


def test_crash_hooks_are_called_and_dead_tasks_are_not_leaks():
    async def scenario() -> Log:
        log: Log = []
        node = world.node("worker-1")
        node.at_crash(lambda: log.append("crashed"))
        node.start(forever, log)
        await asyncio.sleep(2)
        node.crash()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return log

    run = passed(scenario, checks=faultloop.Checks(leaked_tasks="violation"))
    assert run.value == ["crashed"]


def test_a_machine_that_falls_silent_tells_nobody():
    async def scenario() -> float:
        ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        node = world.node("server")
        node.at_crash(lambda: world.fell("db"))
        with world.on(world.host("db")):
            node.start(echo_server, ready, "0.0.0.0")
        port = await ready
        reader, writer = await asyncio.open_connection("db", port)
        writer.write(b"one\n")
        await reader.readline()
        node.crash()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(), 5)
        writer.close()
        return asyncio.get_running_loop().time()

    assert value(scenario) == 5.0


async def serve_at_port_80() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        writer.close()

    async with await asyncio.start_server(echo, "0.0.0.0", 80) as server:
        await server.serve_forever()


async def ask_at_port_80(host: str) -> bytes:
    reader, writer = await asyncio.open_connection(host, 80)
    writer.write(b"question\n")
    answer = await reader.readline()
    writer.close()
    return answer


@pytest.mark.parametrize("after", [0.0, 5.0])
@pytest.mark.parametrize("said", ["around the start", "of the node"])
def test_a_node_that_starts_again_is_on_the_host_that_it_was_on(said: str, after: float):
    async def scenario() -> list[bytes]:
        if said == "of the node":
            node = world.node("db-1", host="db")
            node.start(serve_at_port_80)
        else:
            node = world.node("db-1")
            with world.on(world.host("db")):
                node.start(serve_at_port_80)
        await asyncio.sleep(1)
        answers = [await ask_at_port_80("db")]
        node.crash()
        node.restart(after=after)
        await asyncio.sleep(after + 1)
        return [*answers, await ask_at_port_80("db")]

    assert value(scenario) == [b"question\n"] * 2


def test_a_partition_parts_nodes_by_their_hosts():
    async def scenario() -> list[object]:
        for name in ("one", "two"):
            world.node(name, host=name).start(serve_at_port_80)
        await asyncio.sleep(1)
        log: list[object] = []

        async def ask() -> None:
            for _ in range(2):
                try:
                    async with asyncio.timeout(1):
                        log.append(await ask_at_port_80("two"))
                except TimeoutError:
                    log.append("no answer")
                await asyncio.sleep(100)

        world.node("three")
        with pytest.raises(UsageError, match=r'world\.node\("three", host="three"\)'):
            world.partition("one", "three")
        world.partition("one", "two")
        asyncio.get_running_loop().call_later(50, world.heal)
        with world.node("one"):
            asking = asyncio.create_task(ask())
        log.append(await ask_at_port_80("two"))  # from elsewhere
        await asking
        return log

    assert value(scenario) == [b"question\n", "no answer", b"question\n"]


def test_a_machine_that_fell_silent_is_there_again_once_its_node_starts_again():
    async def scenario() -> list[bytes]:
        node = world.node("server", host="db")
        node.at_crash(lambda: world.fell("db"))
        node.start(serve_at_port_80)
        await asyncio.sleep(1)
        answers = [await ask_at_port_80("db")]
        node.crash()
        node.restart(after=5)
        await asyncio.sleep(10)
        return [*answers, await ask_at_port_80("db")]

    assert value(scenario) == [b"question\n"] * 2


def test_raw_sockets_of_a_dead_node_are_closed():
    async def scenario() -> bytes:
        loop = asyncio.get_running_loop()
        mine, theirs = socket.socketpair()
        mine.setblocking(False)
        theirs.setblocking(False)

        async def listen() -> None:
            await loop.sock_recv(theirs, 10)

        node = world.node("listener")
        node.start(listen)
        await asyncio.sleep(1)
        node.crash()
        try:
            return await loop.sock_recv(mine, 10)
        finally:
            mine.close()

    assert value(scenario) == b""
