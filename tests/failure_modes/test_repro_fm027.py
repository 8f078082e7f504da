"""FM_027 is real: three tries at a time, without an end."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_027_redrive_loop.scenario import CLAIMS_MAX, TRIES, damaged
from failure_modes.proof import Driver, repro


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_broken_variant_fails_as_specified(driver: Driver):
    assert repro(find("FM_027"), driver).objections == ()


def test_each_life_has_its_three_tries():
    (row,) = faultloop.run(damaged, faults=["expire shop @ publish>sleep #1 woken"]).value.rows
    assert row.failures <= TRIES
    assert row.claims == TRIES * row.redrives + row.failures > CLAIMS_MAX


def test_an_event_with_an_address_is_delivered_in_its_first_life():
    (row,) = faultloop.run(damaged).value.rows
    assert (row.state, row.claims, row.redrives) == ("done", 1, 0)
