"""The guardrail of FM_009 holds: with a budget the service is as it was as soon as it is back."""

from random import Random

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_009_retry_storm.scenario import (
    CAPACITY,
    FRESH,
    RETRY_SECONDS,
    Budget,
    Load,
    Policy,
    assert_holds,
    work,
)
from failure_modes.proof import Driver, prevent


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_guarded_variant_holds_wherever_the_fault_lands(driver: Driver):
    assert prevent(find("FM_009"), driver).objections == ()


def load_of_an_outage(policy: Policy) -> Load:
    async def load() -> Load:
        return await work(policy)

    left: Load = faultloop.run(load, faults=["expire watcher @ watch>sleep #1 woken"]).value
    return left


def test_within_a_budget_the_peak_stays_below_what_the_service_bears():
    assert max(load_of_an_outage(Budget()).calls) == FRESH + 2 <= CAPACITY


@pytest.mark.parametrize("seed", range(5))
def test_jitter_alone_makes_the_wave_flat_and_no_smaller(seed: int):
    chance = Random(seed)
    load = load_of_an_outage(lambda second: second + chance.randint(1, 2 * RETRY_SECONDS))
    assert max(load.calls) > 3 * CAPACITY
    with pytest.raises(AssertionError, match="planned"):
        assert_holds(load)
