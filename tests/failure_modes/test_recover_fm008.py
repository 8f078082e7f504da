"""The damage of FM_008 can be repaired: what nobody waits for is dropped."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_008_retry_amplification.scenario import Request, Service, repair
from failure_modes.proof import Driver, recover


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_repair_restores_the_invariant_however_it_is_stopped(driver: Driver):
    assert recover(find("FM_008"), driver).objections == ()


def test_what_was_answered_stays_answered():
    async def repaired() -> list[str]:
        service = Service([Request(0, "answered"), Request(1), Request(1)])
        await repair(service)
        return [request.state for request in service.requests]

    assert faultloop.run(repaired).value == ["answered", "dropped", "dropped"]
