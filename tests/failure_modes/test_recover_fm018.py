"""The damage of FM_018 can be repaired: from the history."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_018_dead_letter_lost.scenario import ORDERS, Broker, repair
from failure_modes.proof import Driver, recover


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_repair_restores_the_invariant_however_it_is_stopped(driver: Driver):
    assert recover(find("FM_018"), driver).objections == ()


def test_what_is_done_or_waits_is_not_buried():
    async def repaired() -> dict[str, str]:
        broker = Broker(dead={}, queue={"order-1": ORDERS["order-1"]}, done=["order-2"])
        await repair(broker)
        return broker.dead

    assert faultloop.run(repaired).value == {"order-3": ORDERS["order-3"]}
