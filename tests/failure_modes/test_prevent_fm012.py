"""The guardrail of FM_012 holds: a slot that is held comes back whatever happens in it."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_012_leaked_slot.scenario import JOBS, one_held, work
from failure_modes.proof import Driver, prevent


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_guarded_variant_holds_wherever_the_fault_lands(driver: Driver):
    assert prevent(find("FM_012"), driver).objections == ()


def test_the_jobs_are_done_although_both_claims_time_out():
    async def guarded_work() -> list[int]:
        return sorted((await work(one_held)).done)

    lost = [f"expire slot-{slot} @ Worker.claim>sleep #1 woken" for slot in (1, 2)]
    assert faultloop.run(guarded_work, faults=lost).value[-1] == JOBS - 1
