"""FM_003 is real: a worker stopped while the answer to its claim travels, and a job that is running nowhere."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_003_cancel_between_claim_and_try.scenario import broken, damaged
from failure_modes.proof import Driver, repro


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_broken_variant_fails_as_specified(driver: Driver):
    assert repro(find("FM_003"), driver).objections == ()


def test_the_next_worker_does_all_jobs_but_the_one_that_nobody_has():
    run = faultloop.run(damaged, faults=["cancel worker-1 @ Store.claim>sleep #2 parked"])
    assert [(row.state, row.token) for row in run.value.rows] == [
        ("running", "worker-1, claim 1"),
        ("done", "worker-2, claim 1"),
    ]


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
@pytest.mark.parametrize("await_point", ["Store.claim>sleep #1", "run>sleep #1", "Store.finish>sleep #1"])
def test_before_the_claim_and_inside_the_try_a_cancellation_is_harmless(await_point: str, driver: Driver):
    run = faultloop.run(broken, faults=[f"cancel worker-1 @ {await_point} parked"], driver=driver)
    assert (run.status, run.not_reached) == ("passed", ())
