"""The damage of FM_023 can be repaired: the last owner's result is put back."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_023_zombie_write.scenario import Price, Store, repair
from failure_modes.proof import Driver, recover


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_repair_restores_the_invariant_however_it_is_stopped(driver: Driver):
    assert recover(find("FM_023"), driver).objections == ()


def test_a_result_that_is_the_last_owners_is_left_alone():
    async def repaired() -> list[int]:
        store = Store("done", 2, 9.0, [Price(1, 0.0), Price(2, 10.0)])
        await repair(store)
        return [price.attempt for price in store.prices]

    assert faultloop.run(repaired).value == [1, 2]
