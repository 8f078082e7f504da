"""The damage of FM_025 can be repaired: the late copy is taken back."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_025_heartbeat_starvation.scenario import Catalogue, Store, repair
from failure_modes.proof import Driver, recover


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_repair_restores_the_invariant_however_it_is_stopped(driver: Driver):
    assert recover(find("FM_025"), driver).objections == ()


def test_the_last_owners_copy_stands():
    async def repaired() -> list[bool]:
        store = Store("done", 3, 0.0, [Catalogue(2), Catalogue(3), Catalogue(1)])
        await repair(store)
        return [catalogue.is_pulped for catalogue in store.printed]

    assert faultloop.run(repaired).value == [True, False, True]
