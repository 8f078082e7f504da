"""The guardrail of FM_020 holds: a key waits for its oldest job, and the others do not."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_020_out_of_order_per_key.scenario import Store, claim_in_order, work
from failure_modes.proof import Driver, prevent


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_guarded_variant_holds_wherever_the_fault_lands(driver: Driver):
    assert prevent(find("FM_020"), driver).objections == ()


def store_after_a_failing_try() -> Store:
    async def guarded_work() -> Store:
        return await work(claim_in_order)

    left: Store = faultloop.run(guarded_work, faults=["expire worker-1 @ write>sleep #1 woken"]).value
    return left


def test_the_newest_change_is_the_one_in_effect():
    assert store_after_a_failing_try().addresses == {"anna": 2, "ben": 3}


def test_a_key_that_waits_holds_up_no_other():
    assert list(store_after_a_failing_try().addresses) == ["ben", "anna"]
