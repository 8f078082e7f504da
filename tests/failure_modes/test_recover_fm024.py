"""The damage of FM_024 can be repaired: what never arrived is sent again."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_024_swallowed_cancel.scenario import Row, Store, repair
from failure_modes.proof import Driver, recover


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_repair_restores_the_invariant_however_it_is_stopped(driver: Driver):
    assert recover(find("FM_024"), driver).objections == ()


def test_what_arrived_is_not_sent_again():
    async def repaired() -> list[str]:
        store = Store([Row(1, "done"), Row(2, "done"), Row(3, "running")], sent=[2])
        await repair(store)
        return [row.state for row in store.rows]

    assert faultloop.run(repaired).value == ["waiting", "done", "running"]
