"""The guardrail of FM_002 holds: a job keeps its owner, however long it takes."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_002_lease_expiry_slow_job.scenario import LEASE_SECONDS, guarded
from failure_modes.proof import Driver, prevent

SLOW = f"delay:{LEASE_SECONDS * 10:.0f}s worker-1 @ Store.publish>sleep #1 parked"


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_guarded_variant_holds_wherever_the_fault_lands(driver: Driver):
    assert prevent(find("FM_002"), driver).objections == ()


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_a_job_of_ten_leases_keeps_its_owner(driver: Driver):
    run = faultloop.run(guarded, faults=[SLOW], driver=driver)
    assert (run.status, run.not_reached) == ("passed", ())


def test_two_lost_renewals_in_a_row_are_borne():
    lost = [f"delay:{LEASE_SECONDS * 2 / 3 - 1:.0f}s renewal @ Store.renew>sleep #1 parked", SLOW]
    run = faultloop.run(guarded, faults=lost)
    assert (run.status, run.not_reached) == ("passed", ())


def test_a_job_that_is_not_renewed_any_more_is_stopped():
    run = faultloop.run(guarded, faults=["cancel renewal @ renewal>sleep #1 parked", SLOW])
    assert run.status == "passed"


def test_renewing_is_no_fence():
    run = faultloop.run(guarded, faults=["delay:30s renewal @ Store.renew>sleep #1 parked", SLOW])
    assert run.status == "violated"
