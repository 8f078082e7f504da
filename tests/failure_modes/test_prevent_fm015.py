"""The guardrail of FM_015 holds: what a shutdown interrupts is done, and what a customer cancels is not."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_015_shutdown_drops_inflight.scenario import as_was_asked, work
from failure_modes.proof import Driver, prevent


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_guarded_variant_holds_wherever_the_fault_lands(driver: Driver):
    assert prevent(find("FM_015"), driver).objections == ()


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_interrupted_job_is_done_and_the_unwanted_one_is_not(driver: Driver):
    async def guarded_work() -> list[str]:
        return [row.state for row in (await work(as_was_asked)).rows]

    run = faultloop.run(guarded_work, faults=["cancel worker-1 @ run>sleep #3 parked"], driver=driver)
    assert run.value == ["done", "cancelled", "done"]
