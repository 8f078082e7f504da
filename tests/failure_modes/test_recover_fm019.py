"""The damage of FM_019 can be repaired: what is missing is enqueued."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_019_enqueue_commit_gap.scenario import Shop, repair
from failure_modes.proof import Driver, recover


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_repair_restores_the_invariant_however_it_is_stopped(driver: Driver):
    assert recover(find("FM_019"), driver).objections == ()


def test_who_has_a_job_gets_no_second_one():
    async def repaired() -> list[str]:
        shop = Shop(["anna", "ben", "cleo", "dora"], outbox=["anna"], queue=["ben"], greeted=["cleo"])
        await repair(shop)
        return shop.queue

    assert faultloop.run(repaired).value == ["ben", "dora"]
