"""FM_021 is real: one slow call, and the worker waits for itself."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_021_backpressure_deadlock.scenario import ROOM, damaged
from failure_modes.proof import Driver, repro


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_broken_variant_fails_as_specified(driver: Driver):
    assert repro(find("FM_021"), driver).objections == ()


def test_the_queue_is_full_and_the_one_slot_waits_for_it():
    shop = faultloop.run(damaged, faults=["expire worker @ pack>sleep #1 woken"]).value
    assert (len(shop.waiting), shop.stuck, shop.done) == (ROOM, ["mail 0"], [])


def test_the_same_slow_call_is_harmless_once_the_web_has_sold_all():
    shop = faultloop.run(damaged, faults=["expire worker @ pack>sleep #7 woken"]).value
    assert (len(shop.waiting), shop.stuck) == (0, [])
