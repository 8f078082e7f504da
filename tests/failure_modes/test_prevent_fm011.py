"""The guardrail of FM_011 holds: a job that kills is claimed three times, and the line moves on."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_011_poison_head_of_line.scenario import CLAIMS_MAX, claim_bounded, work
from failure_modes.proof import Driver, prevent


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_guarded_variant_holds_wherever_the_fault_lands(driver: Driver):
    assert prevent(find("FM_011"), driver).objections == ()


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_poison_is_buried_and_what_is_behind_it_is_done(driver: Driver):
    async def guarded_work() -> list[tuple[int, str, int]]:
        return sorted((row.image, row.state, row.claims) for row in (await work(claim_bounded)).rows)

    run = faultloop.run(guarded_work, faults=["cancel upload-0 @ upload>sleep #2 parked"], driver=driver)
    assert run.value == [(0, "dead", CLAIMS_MAX), (1, "done", 1), (2, "done", 1)]
