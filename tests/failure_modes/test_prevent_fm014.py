"""The guardrail of FM_014 holds: whoever is left looks."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_014_dead_worker_holds_lease.scenario import JOBS, sweep, work
from failure_modes.proof import Driver, prevent


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_guarded_variant_holds_wherever_the_fault_lands(driver: Driver):
    assert prevent(find("FM_014"), driver).objections == ()


@pytest.mark.parametrize("death", ["crash", "cancel"])
@pytest.mark.parametrize("worker", ["worker-1", "worker-2"])
def test_whichever_dies_the_other_does_its_job(worker: str, death: str):
    async def guarded_work() -> list[str]:
        return [row.state for row in (await work(sweep)).rows]

    run = faultloop.run(guarded_work, faults=[f"{death} {worker} @ serve>sleep #1 parked"])
    assert run.value == ["done"] * JOBS
