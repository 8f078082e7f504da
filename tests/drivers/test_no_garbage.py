"""A fast run leaves nothing that only the collector finds, whatever the program's end was, on every Python.

What is left is looked at in every later run until somebody collects it, and was a sixth of a swept run from 3.12 on.
"""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from random import Random

import pytest

from faultloop.deciders.calm import Calm
from faultloop.deciders.walk import RandomWalk
from faultloop.drivers.asyncio.guided import execute_guided
from faultloop.drivers.asyncio.run import execute
from faultloop.drivers.frames import ChainTable
from faultloop.drivers.settings import Settings
from faultloop.model.faults import Cancel, Expire
from faultloop.search.conditions import Conditions
from faultloop.search.run import run_with
from faultloop.search.sweep import Scope, trials

Scenario = Callable[[], Awaitable[object]]


async def sleeper() -> None:
    try:
        await asyncio.sleep(1)
    finally:
        await asyncio.sleep(0.1)


async def gathering() -> None:
    await asyncio.gather(*(sleeper() for _ in range(3)))


async def grouped() -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(sleeper())


async def under_a_deadline() -> None:
    try:
        async with asyncio.timeout(2):
            await sleeper()
    except TimeoutError as error:
        raise ValueError("too late") from error


async def leaving_tasks() -> None:
    tasks = [asyncio.create_task(sleeper()) for _ in range(3)]
    await asyncio.sleep(0.5)
    assert not tasks, "they are left to the end of the run"


SCENARIOS = (gathering, grouped, under_a_deadline, leaving_tasks)
each_scenario = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)


def garbage_of(runs: Callable[[], object]) -> int:
    runs()  # what a first run imports and caches is no garbage of the others
    gc.collect()
    gc.freeze()  # what other tests have left is none of theirs either, whenever it is let go
    gc.disable()
    try:
        runs()
        return gc.collect()
    finally:
        gc.enable()
        gc.unfreeze()


@each_scenario
def test_runs_with_a_fault_each_leave_no_garbage(scenario: Scenario):
    calm = run_with(scenario, Calm(), Conditions.of(), collect=True)
    every = list(trials(calm, Scope((Cancel(), Expire())), lambda _: None))
    assert len(every) > 3

    def sweep() -> None:
        for trial in every:
            execute(scenario, Settings(), strikes=(trial.strike,))

    assert garbage_of(sweep) == 0


@each_scenario
def test_guided_runs_leave_no_garbage(scenario: Scenario):
    strategy, sites = RandomWalk(Random(0)), ChainTable()

    def walk() -> None:
        for _ in range(5):
            execute_guided(scenario, Settings("any"), strategy.decider(), sites=sites, footprints=True)

    assert garbage_of(walk) == 0
