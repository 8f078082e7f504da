"""The damage of FM_009 can be repaired: what is planned is spread."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_009_retry_storm.scenario import Load, repair
from failure_modes.proof import Driver, recover


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_repair_restores_the_invariant_however_it_is_stopped(driver: Driver):
    assert recover(find("FM_009"), driver).objections == ()


def test_no_retry_is_lost_and_none_comes_earlier_than_it_was_planned():
    async def repaired() -> list[int]:
        load = Load(retries=[50] * 9 + [51] * 4 + [60])
        await repair(load)
        return sorted(load.retries)

    assert faultloop.run(repaired).value == [50] * 4 + [51] * 4 + [52] * 4 + [53] + [60]
