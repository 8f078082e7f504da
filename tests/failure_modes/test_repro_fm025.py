"""FM_025 is real: a worker is too busy to say that it lives."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_025_heartbeat_starvation.scenario import broken, damaged
from failure_modes.proof import Driver, repro


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_broken_variant_fails_as_specified(driver: Driver):
    assert repro(find("FM_025"), driver).objections == ()


def test_the_second_worker_is_done_before_the_first_one_that_was_never_dead():
    store = faultloop.run(damaged, faults=["expire worker-1 @ changed_pages>sleep #1 woken"]).value
    assert [catalogue.attempt for catalogue in store.printed] == [2, 1]


def test_a_block_that_is_shorter_than_the_lease_is_harmless():
    run = faultloop.run(broken, faults=["delay:700ms worker-1 @ changed_pages>sleep #1 parked"])
    assert (run.status, run.not_reached) == ("passed", ())
