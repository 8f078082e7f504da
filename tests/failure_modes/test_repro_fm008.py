"""FM_008 is real: the service stops answering, and three times three times three calls come to it."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_008_retry_amplification.scenario import JOBS, TRIES, broken, damaged
from failure_modes.proof import Driver, repro

SILENT = "cancel service @ serve>MemoryObjectReceiveStream.receive #1 parked"


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_broken_variant_fails_as_specified(driver: Driver):
    assert repro(find("FM_008"), driver).objections == ()


def test_the_calls_of_a_job_are_its_tries_to_the_power_of_its_layers():
    run = faultloop.run(damaged, faults=[SILENT])
    assert len(run.value.requests) == JOBS * TRIES**3


def test_one_late_answer_costs_one_call_more():
    run = faultloop.run(broken, faults=["delay:1s service @ serve>sleep #1 parked"])
    assert (run.status, run.not_reached) == ("passed", ())
