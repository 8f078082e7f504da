"""FM_005 is real: a deadline passes while «succeeded» is on its way back, and «failed» is written over it."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_005_timeout_races_completion.scenario import broken, damaged
from failure_modes.proof import Driver, repro

LATE = "expire worker-1 @ tell>sleep #1 woken"


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_broken_variant_fails_as_specified(driver: Driver):
    assert repro(find("FM_005"), driver).objections == ()


def test_on_trio_the_deadline_passes_at_the_await_itself():
    run = faultloop.run(broken, faults=["expire worker-1 @ tell>sleep #2 parked"], driver="trio")
    assert "attempt 1 of job 0 succeeded and failed" in str(run.exception)


def test_a_job_that_succeeded_is_done_again():
    run = faultloop.run(damaged, faults=[LATE])
    told = [(word.attempt, word.outcome) for word in run.value.history if word.job == 0]
    assert told == [(1, "succeeded"), (1, "failed"), (2, "succeeded")]


def test_a_time_out_before_the_outcome_is_written_is_a_plain_failure():
    run = faultloop.run(damaged, faults=["expire worker-1 @ serve>sleep #1 woken"])
    told = [(word.attempt, word.outcome) for word in run.value.history if word.job == 0]
    assert told == [(1, "failed"), (2, "succeeded")]
