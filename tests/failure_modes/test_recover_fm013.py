"""FM_013 damages nothing: whoever looks at the store finds what waits."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_013_lost_wakeup.scenario import Shift, repair
from failure_modes.proof import Driver, recover


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_repair_restores_the_invariant_however_it_is_stopped(driver: Driver):
    assert recover(find("FM_013"), driver).objections == ()


def test_what_waits_is_done_once():
    async def repaired() -> Shift:
        shift = Shift(waiting=[1, 2], done=[0], idle=["worker-1"])
        await repair(shift)
        return shift

    assert faultloop.run(repaired).value == Shift(waiting=[], done=[0, 1, 2], idle=["worker-1"])
