"""The damage of FM_006 can be repaired: each job stays where it got furthest."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_006_partial_write.scenario import Broker, repair
from failure_modes.proof import Driver, recover


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_repair_restores_the_invariant_however_it_is_stopped(driver: Driver):
    assert recover(find("FM_006"), driver).objections == ()


def test_what_is_done_stays_done_and_what_failed_is_not_ready():
    async def repaired() -> Broker:
        broker = Broker(ready=[0, 1], delayed=[1, 1, 2], done=[2, 0])
        await repair(broker)
        return broker

    assert faultloop.run(repaired).value == Broker(ready=[], delayed=[1], done=[2, 0])
