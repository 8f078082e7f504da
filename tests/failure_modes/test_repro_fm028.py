"""FM_028 is real: a pause that is longer than the memory of the counter."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_028_retry_counter_amnesia.scenario import AWAY_SECONDS, TRIES, broken, damaged
from failure_modes.proof import Driver, repro


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_broken_variant_fails_as_specified(driver: Driver):
    assert repro(find("FM_028"), driver).objections == ()


def test_after_the_pause_the_first_try_is_the_first_again():
    row = faultloop.run(damaged, faults=["expire worker @ send>sleep #1 woken"]).value
    assert (row.state, row.tries, len(row.events)) == ("waiting", TRIES - 1, TRIES)
    assert row.events[1] - row.events[0] > AWAY_SECONDS


def test_a_pause_after_the_last_try_is_harmless():
    run = faultloop.run(broken, faults=["expire worker @ send>sleep #5 woken"])
    assert (run.status, run.not_reached) == ("passed", ())
