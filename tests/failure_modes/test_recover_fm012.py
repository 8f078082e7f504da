"""The damage of FM_012 can be repaired: free slots are counted anew from what runs."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_012_leaked_slot.scenario import SLOTS, Worker, repair
from failure_modes.proof import Driver, recover


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_repair_restores_the_invariant_however_it_is_stopped(driver: Driver):
    assert recover(find("FM_012"), driver).objections == ()


@pytest.mark.parametrize("running", [set(), {7}, {7, 8}])
def test_slots_in_use_are_not_given_away(running: set[int]):
    async def counted() -> int:
        worker = Worker(running=set(running), free=0)
        await repair(worker)
        return worker.free

    assert faultloop.run(counted).value == SLOTS - len(running)
