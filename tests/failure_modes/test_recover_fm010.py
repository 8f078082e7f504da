"""The damage of FM_010 can be repaired: clients are restarted one by one."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_010_synchronized_backoff.scenario import AT_ONCE_MAX, CLIENTS, Rhythm, repair
from failure_modes.proof import Driver, recover


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_repair_restores_the_invariant_however_it_is_stopped(driver: Driver):
    assert recover(find("FM_010"), driver).objections == ()


def test_only_as_many_clients_are_restarted_as_are_too_many():
    async def repaired() -> list[float]:
        rhythm = Rhythm(due=dict.fromkeys(range(CLIENTS), 50.0))
        await repair(rhythm)
        return sorted(rhythm.due.values())

    assert faultloop.run(repaired).value == [50] * AT_ONCE_MAX + [51, 52, 53, 54]
