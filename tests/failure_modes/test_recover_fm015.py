"""The damage of FM_015 can be repaired: what nobody cancelled waits again."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_015_shutdown_drops_inflight.scenario import Row, Store, repair
from failure_modes.proof import Driver, recover


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_repair_restores_the_invariant_however_it_is_stopped(driver: Driver):
    assert recover(find("FM_015"), driver).objections == ()


def test_what_a_customer_cancelled_stays_cancelled():
    async def repaired() -> list[str]:
        store = Store([Row("cancelled"), Row("cancelled", is_unwanted=True), Row("done")])
        await repair(store)
        return [row.state for row in store.rows]

    assert faultloop.run(repaired).value == ["waiting", "cancelled", "done"]
