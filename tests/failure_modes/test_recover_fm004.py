"""The damage of FM_004 can be repaired: surplus parcels are called back."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_004_cancel_during_ack.scenario import Parcel, Warehouse, repair
from failure_modes.proof import Driver, recover


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_repair_restores_the_invariant_however_it_is_stopped(driver: Driver):
    assert recover(find("FM_004"), driver).objections == ()


def test_one_parcel_of_each_order_stays_on_its_way():
    async def repaired() -> list[tuple[int, bool]]:
        warehouse = Warehouse(parcels=[Parcel(41), Parcel(42), Parcel(41), Parcel(41)])
        await repair(warehouse)
        return [(parcel.order, parcel.is_called_back) for parcel in warehouse.parcels]

    assert faultloop.run(repaired).value == [(41, False), (42, False), (41, True), (41, True)]
