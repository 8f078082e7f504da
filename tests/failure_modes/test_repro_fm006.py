"""FM_006 is real: stopped between the copy and the acknowledgement, a job is in two places."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_006_partial_write.scenario import FAILS_AT_FIRST, broken, damaged, places
from failure_modes.proof import Driver, repro


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_broken_variant_fails_as_specified(driver: Driver):
    assert repro(find("FM_006"), driver).objections == ()


def test_the_job_is_done_and_will_be_done_again():
    run = faultloop.run(damaged, faults=["cancel worker-1 @ Connection.ack>sleep #1 parked"])
    assert places(run.value, FAILS_AT_FIRST) == ["delayed", "done"]


@pytest.mark.parametrize("write", ["Connection.delay>sleep #1", "Connection.complete>sleep #1"])
def test_before_the_first_write_a_cancellation_is_harmless(write: str):
    run = faultloop.run(broken, faults=[f"cancel worker-1 @ {write} parked"])
    assert (run.status, run.not_reached) == ("passed", ())
