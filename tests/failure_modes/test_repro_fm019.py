"""FM_019 is real: a request ends between its two writes."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_019_enqueue_commit_gap.scenario import broken, damaged
from failure_modes.proof import Driver, repro


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_broken_variant_fails_as_specified(driver: Driver):
    assert repro(find("FM_019"), driver).objections == ()


def test_the_customer_is_there_and_his_job_is_nowhere():
    shop = faultloop.run(damaged, faults=["cancel request-anna @ Shop.enqueue>sleep #1 parked"]).value
    assert (sorted(shop.customers), shop.queue, shop.greeted) == (["anna", "ben"], [], ["ben"])


def test_a_request_that_ends_before_the_commit_is_harmless():
    run = faultloop.run(broken, faults=["cancel request-anna @ Shop.commit>sleep #1 parked"])
    assert (run.status, run.not_reached) == ("passed", ())
