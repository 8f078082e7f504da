"""FM_022 is real: ten seconds of outage, and the overload stays for good."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_022_metastable_overload.scenario import CAPACITY, FRESH, OUTAGE_SECONDS, damaged
from failure_modes.FM_022_metastable_overload.table import POLICIES, Row, Size, simulated
from failure_modes.proof import Driver, repro


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_broken_variant_fails_as_specified(driver: Driver):
    assert repro(find("FM_022"), driver).objections == ()


def test_goodput_does_not_come_back_although_the_service_does():
    load = faultloop.run(damaged, faults=["expire watcher @ watch>sleep #1 woken"]).value
    back = OUTAGE_SECONDS + 5
    assert min(load.calls[back:]) > CAPACITY
    assert set(load.done[back:]) == {CAPACITY // 2}


def test_without_an_outage_all_that_comes_is_done():
    load = faultloop.run(damaged).value
    assert set(load.calls) == set(load.done) == {FRESH}


SMALL = Size(burst=100, fresh=6, capacity=10, outage=15, until=200)


@pytest.mark.parametrize("policy", POLICIES)
def test_no_backoff_and_no_jitter_ends_the_storm(policy: str):
    row = simulated(Row(policy, None, 1), SMALL)
    assert row.overloaded_until == SMALL.until - 1
    assert row.calls > 5 * row.done
    assert row.done < 0.75 * row.came


def test_each_layer_that_retries_multiplies_the_calls():
    calls = [simulated(Row("full jitter", None, layers), SMALL).calls for layers in (1, 2, 3)]
    assert calls[1] > 2.9 * calls[0]
    assert calls[2] > 2.9 * calls[1]


def test_with_ample_room_jitter_is_enough():
    row = simulated(Row("full jitter", None, 1), Size(burst=20, fresh=6, capacity=60, outage=15, until=200))
    assert row.recovers
    assert row.dead == 0
