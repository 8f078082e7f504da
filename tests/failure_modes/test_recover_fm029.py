"""The damage of FM_029 can be repaired: what was charged again is given back."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_029_hook_between_effect_and_ack.scenario import Charge, Store, repair
from failure_modes.proof import Driver, recover


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_repair_restores_the_invariant_however_it_is_stopped(driver: Driver):
    assert recover(find("FM_029"), driver).objections == ()


def test_the_first_charge_of_each_order_stands():
    async def repaired() -> list[bool]:
        store = Store(charges=[Charge(1), Charge(1), Charge(2), Charge(1)])
        await repair(store)
        return [charge.is_refunded for charge in store.charges]

    assert faultloop.run(repaired).value == [False, True, False, True]
