"""The guardrail of FM_030 holds: what the dead one had passes, and is done."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_030_worker_id_reused.scenario import JOBS, by_start, work
from failure_modes.proof import Driver, prevent


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_guarded_variant_holds_wherever_the_fault_lands(driver: Driver):
    assert prevent(find("FM_030"), driver).objections == ()


@pytest.mark.parametrize("pod", ["pod-1", "pod-2"])
def test_whichever_dies_all_jobs_are_done(pod: str):
    async def guarded_work() -> list[str]:
        return [row.state for row in (await work(by_start)).rows]

    run = faultloop.run(guarded_work, faults=[f"cancel {pod}/worker @ serve>sleep #2 parked"])
    assert run.value == ["done"] * JOBS
