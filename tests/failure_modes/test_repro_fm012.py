"""FM_012 is real: one claim that does not answer in time, and a slot is gone."""

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_012_leaked_slot.scenario import SLOTS, damaged
from failure_modes.proof import repro


def test_the_broken_variant_fails_as_specified():
    assert repro(find("FM_012")).objections == ()


def test_the_worker_stands_still_when_every_slot_is_lost():
    lost = [f"expire slot-{slot} @ Worker.claim>sleep #1 woken" for slot in (1, 2)]
    run = faultloop.run(damaged, faults=lost)
    assert (run.value.free, run.value.done) == (0, [])


def test_one_lost_slot_only_makes_it_slower():
    run = faultloop.run(damaged, faults=["expire slot-1 @ Worker.claim>sleep #1 woken"])
    assert (run.value.free, run.value.done) == (SLOTS - 1, [0, 1, 2])
