"""The shrinker on the real loop: its deciders guide runs of asyncio programs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

import pytest

from faultloop.deciders.walk import Walk
from faultloop.drivers.asyncio.guided import execute_guided
from faultloop.drivers.facts import Guided
from faultloop.drivers.frames import ChainTable
from faultloop.drivers.settings import Settings
from faultloop.model.faults import PlannedFault
from faultloop.search.shrink import Attempt, Listing, Script, Shrunk, blocks_of, follow, shrink
from tests.search.shrink_words import explain

Scenario = Callable[[], Coroutine[Any, Any, None]]


def cause_of(guided: Guided) -> str:
    """Why a run failed, or nothing."""
    if guided.facts.halted is not None:
        return type(guided.facts.halted).__name__
    return repr(guided.facts.error) if guided.facts.error is not None else ""


def guided_attempts(scenario: Scenario, cause: str, picks: dict[Script, int]):
    """How a failure is tried again. picks: filled with the number of picks that the run of each script took."""
    sites = ChainTable()

    def attempt(script: Script, faults: tuple[PlannedFault, ...]) -> Attempt:
        decider = follow(script)
        guided = execute_guided(scenario, Settings("any", hold=None), decider, sites=sites)
        made = decider.attempt(cause_of(guided) == cause)
        assert made.schedule == guided.schedule
        picks[script] = len(guided.choices.picks)
        return made

    return attempt


async def half_set() -> None:
    a = b = 0

    async def setter() -> None:
        nonlocal a, b
        await asyncio.sleep(0)
        a = 1
        await asyncio.sleep(0)
        b = -1

    async def checker() -> None:
        await asyncio.sleep(0)
        seen = a
        await asyncio.sleep(0)
        if (seen, b) not in ((0, 0), (1, -1)):
            raise RuntimeError("half set")

    await asyncio.gather(*[setter() for _ in range(10)], checker())


async def lock_order() -> None:
    one, two = asyncio.Lock(), asyncio.Lock()

    async def take(first: asyncio.Lock, second: asyncio.Lock) -> None:
        async with first:
            await asyncio.sleep(0)
            async with second:
                await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        group.create_task(take(one, two))
        await asyncio.sleep(0.1)
        group.create_task(take(two, one))
        group.create_task(take(one, two))


def shrunk(scenario: Scenario) -> tuple[Shrunk, int]:
    """The first failure of a random walk, shrunk, and how many picks its run takes."""
    runs = (
        execute_guided(scenario, Settings("any", hold=None), Walk(Random(seed)), sites=ChainTable())
        for seed in range(500)
    )
    failing = next(guided for guided in runs if cause_of(guided))
    picks: dict[Script, int] = {}
    result = shrink(failing.schedule, (), guided_attempts(scenario, cause_of(failing), picks))
    assert result is not None
    return result, picks[result.script]


@pytest.mark.parametrize(
    ("scenario", "line"),
    [
        (half_set, "t12 runs between t2's 2nd and 3rd step"),
        (lock_order, "t4 runs between t3's 1st and 2nd step"),
    ],
)
def test_a_failure_on_the_real_loop_shrinks_to_one_preemption(scenario: Scenario, line: str):
    result, _ = shrunk(scenario)
    assert result.cost.departures == 1
    assert explain(result, lambda task: f"t{task}") == (line,)


def test_picks_do_not_shrink_with_the_schedule():
    # Why a trace should keep blocks (docs/internals/adr/005): to a round robin, each running on is a deviation.
    result, picks = shrunk(half_set)
    assert isinstance(result.script, Listing)
    assert blocks_of(result.script.tasks) == ((1, 1), (2, 2), (12, 1))
    assert picks > 30
