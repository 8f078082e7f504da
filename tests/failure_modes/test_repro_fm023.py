"""FM_023 is real: a worker sleeps through its lease, and writes."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_023_zombie_write.scenario import broken, damaged
from failure_modes.proof import Driver, repro


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_broken_variant_fails_as_specified(driver: Driver):
    assert repro(find("FM_023"), driver).objections == ()


@pytest.mark.parametrize("fault", ["pause:20s worker-1 @ ask>sleep #1 parked", "expire worker-1 @ ask>sleep #1 woken"])
def test_the_older_figures_are_seen_although_the_newer_ones_were_there(fault: str):
    store = faultloop.run(damaged, faults=[fault]).value
    assert [price.attempt for price in store.prices] == [2, 1]
    assert store.prices[0].as_of > store.prices[1].as_of


def test_a_pause_within_the_lease_is_harmless():
    run = faultloop.run(broken, faults=["pause:3s worker-1 @ ask>sleep #1 parked"])
    assert (run.status, run.not_reached) == ("passed", ())
