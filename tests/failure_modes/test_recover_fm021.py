"""The damage of FM_021 can be repaired: what handlers hold goes in over the limit."""

from collections import deque

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_021_backpressure_deadlock.scenario import Shop, repair
from failure_modes.proof import Driver, recover


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_repair_restores_the_invariant_however_it_is_stopped(driver: Driver):
    assert recover(find("FM_021"), driver).objections == ()


def test_no_job_is_lost_or_doubled():
    async def repaired() -> list[str]:
        shop = Shop(waiting=deque(["order 1"]), stuck=["mail 0", "mail 2"])
        await repair(shop)
        return list(shop.waiting)

    assert faultloop.run(repaired).value == ["order 1", "mail 0", "mail 2"]
