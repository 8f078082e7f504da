"""FM_020 is real: one try that fails, and the older address wins."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_020_out_of_order_per_key.scenario import damaged
from failure_modes.proof import Driver, repro


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_broken_variant_fails_as_specified(driver: Driver):
    assert repro(find("FM_020"), driver).objections == ()


def test_the_newer_change_is_made_and_then_undone():
    run = faultloop.run(damaged, faults=["expire worker-1 @ write>sleep #1 woken"])
    assert [row.state for row in run.value.rows] == ["done"] * 3
    assert run.value.addresses == {"anna": 1, "ben": 3}


def test_a_failing_try_of_the_newest_change_is_harmless():
    run = faultloop.run(damaged, faults=["expire worker-1 @ write>sleep #3 woken"])
    assert (run.value.addresses, run.not_reached) == ({"anna": 2, "ben": 3}, ())
