"""FM_017 is real: a scheduler is late, and fires what was fired and done."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_017_cron_double_fire.scenario import broken, damaged
from failure_modes.proof import Driver, repro


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_broken_variant_fails_as_specified(driver: Driver):
    assert repro(find("FM_017"), driver).objections == ()


def test_the_first_minute_is_done_twice_and_the_second_one_once():
    store = faultloop.run(damaged, faults=["expire scheduler-2 @ tick>sleep #2 woken"]).value
    assert [(job.minute, job.state) for job in store.jobs] == [(1, "done"), (1, "done"), (2, "done")]


def test_a_scheduler_that_is_late_while_the_job_still_waits_is_harmless():
    run = faultloop.run(broken, faults=["delay:50ms scheduler-2 @ tick>sleep #1 parked"])
    assert (run.status, run.not_reached) == ("passed", ())
