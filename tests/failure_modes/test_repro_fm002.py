"""FM_002 is real: one slow answer, and the job is longer than its lease."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_002_lease_expiry_slow_job.scenario import broken, damaged
from failure_modes.proof import Driver, repro


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_broken_variant_fails_as_specified(driver: Driver):
    assert repro(find("FM_002"), driver).objections == ()


def test_the_job_goes_out_from_both_workers():
    run = faultloop.run(damaged, faults=["expire worker-1 @ fetch>sleep #1 woken"])
    assert sorted(report.attempt for report in run.value.reports) == [1, 2]


def test_a_worker_that_dies_is_what_the_lease_is_for():
    run = faultloop.run(damaged, faults=["cancel worker-1 @ fetch>sleep #1 parked"])
    assert [report.attempt for report in run.value.reports] == [2]


def test_a_delay_that_ends_within_the_lease_is_harmless():
    run = faultloop.run(broken, faults=["delay:2s worker-1 @ fetch>sleep #1 parked"])
    assert (run.status, run.not_reached) == ("passed", ())
