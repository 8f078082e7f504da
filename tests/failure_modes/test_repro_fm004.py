"""FM_004 is real: a worker stopped at its acknowledgement, and a parcel that leaves twice."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_004_cancel_during_ack.scenario import broken
from failure_modes.proof import Driver, repro


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_broken_variant_fails_as_specified(driver: Driver):
    assert repro(find("FM_004"), driver).objections == ()


def test_before_the_effect_and_after_the_acknowledgement_a_cancellation_is_harmless():
    for harmless in ("Warehouse.claim>sleep #1", "Warehouse.ship>sleep #1", "Warehouse.ack>sleep #2"):
        run = faultloop.run(broken, faults=[f"cancel worker-1 @ {harmless} parked"])
        assert (run.status, run.not_reached) == ("passed", ()), harmless


def test_asking_again_is_enough_where_only_the_answer_is_late():
    run = faultloop.run(broken, faults=["expire worker-1 @ Warehouse.ack>sleep #1 woken"])
    assert (run.status, run.not_reached) == ("passed", ())
