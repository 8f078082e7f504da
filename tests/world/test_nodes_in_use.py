"""How a scenario makes nodes, and what it may do with them."""

import asyncio

import pytest

import faultloop
from faultloop import world
from faultloop.errors import UsageError
from tests.drivers.support import passed, value
from tests.world.programs_nodes import Log, forever


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
