"""FM_009 is real: half a minute of outage, and the wave of retries is four times what the service bears."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_009_retry_storm.scenario import CAPACITY, FRESH, OUTAGE_SECONDS, RETRY_SECONDS, damaged
from failure_modes.proof import Driver, repro


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_broken_variant_fails_as_specified(driver: Driver):
    assert repro(find("FM_009"), driver).objections == ()


def test_at_its_peak_all_that_failed_comes_back_within_one_period():
    run = faultloop.run(damaged, faults=["expire watcher @ watch>sleep #1 woken"])
    peak = FRESH * (1 + OUTAGE_SECONDS // RETRY_SECONDS)
    assert max(run.value.calls) == peak == 42 > 4 * CAPACITY


def test_without_an_outage_there_are_fresh_calls_only():
    run = faultloop.run(damaged)
    assert set(run.value.calls) == {FRESH}
