"""FM_015 is real: a deploy, and the job in flight is «cancelled» and done by nobody."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_015_shutdown_drops_inflight.scenario import broken, damaged
from failure_modes.proof import Driver, repro


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_broken_variant_fails_as_specified(driver: Driver):
    assert repro(find("FM_015"), driver).objections == ()


def test_the_job_that_was_dropped_looks_like_the_one_that_was_unwanted():
    run = faultloop.run(damaged, faults=["cancel worker-1 @ run>sleep #3 parked"])
    assert [row.state for row in run.value.rows] == ["done", "cancelled", "cancelled"]


def test_a_shutdown_between_two_jobs_is_harmless():
    run = faultloop.run(broken, faults=["cancel worker-1 @ Store.claim>sleep #2 parked"])
    assert (run.status, run.not_reached) == ("passed", ())
