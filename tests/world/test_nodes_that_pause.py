"""Nodes stand still, go on late, and have wall clocks of their own."""

import asyncio
import datetime
import time
from typing import Any

import pytest

import faultloop
from faultloop import world
from tests.drivers.support import passed, value
from tests.world.programs_nodes import Log, both_networks, echo_server, forever


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
