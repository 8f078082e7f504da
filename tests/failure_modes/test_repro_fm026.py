"""FM_026 is real: a job is done between the look and the write of a sweep."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_026_recovery_drift.scenario import damaged
from failure_modes.proof import Driver, repro


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_broken_variant_fails_as_specified(driver: Driver):
    assert repro(find("FM_026"), driver).objections == ()


def test_a_success_is_undone_and_the_job_is_run_again():
    row = faultloop.run(damaged, faults=["expire worker @ ask>sleep #1 woken"]).value
    assert row.events[:4] == [("claimed", 1), ("succeeded", 1), ("rescued", 1), ("rescued", 1)]
    assert row.events[4:6] == [("claimed", 2), ("succeeded", 2)]


def test_one_death_is_counted_by_both_sweeps():
    row = faultloop.run(damaged, faults=["cancel worker @ ask>sleep #1 parked"]).value
    assert row.failures == 2
    assert row.events == [("claimed", 1), ("rescued", 1), ("rescued", 1)]
