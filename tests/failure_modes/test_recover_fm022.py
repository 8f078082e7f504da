"""The damage of FM_022 can be repaired: less is asked for, and the rest drains."""

from random import Random

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_022_metastable_overload.scenario import FRESH, damaged, live, repair
from failure_modes.proof import Driver, recover


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_repair_restores_the_invariant_however_it_is_stopped(driver: Driver):
    assert recover(find("FM_022"), driver).objections == ()


def test_after_the_repair_goodput_is_back_and_the_backlog_drains():
    async def lived_on() -> tuple[int, int, list[int]]:
        load = await damaged()
        before = len(load.retries)
        await repair(load)
        for _ in range(before):
            live(load, True, Random(1))
        return before, len(load.retries), load.done[-before:]

    run = faultloop.run(lived_on, faults=["expire watcher @ watch>sleep #1 woken"])
    before, after, done = run.value
    assert (before > 50, after) == (True, 0)
    assert min(done) >= FRESH
