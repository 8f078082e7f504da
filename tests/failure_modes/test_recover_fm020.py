"""The damage of FM_020 can be repaired: the newest change is made again."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_020_out_of_order_per_key.scenario import Row, Store, repair
from failure_modes.proof import Driver, recover


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_repair_restores_the_invariant_however_it_is_stopped(driver: Driver):
    assert recover(find("FM_020"), driver).objections == ()


def test_a_change_that_was_not_made_yet_is_left_to_the_queue():
    async def repaired() -> dict[str, int]:
        store = Store([Row(1, "anna", "done"), Row(2, "anna", "done"), Row(3, "anna")], {"anna": 1})
        await repair(store)
        return store.addresses

    assert faultloop.run(repaired).value == {"anna": 2}
