"""FM_029 is real: the metrics do not answer, and a customer pays twice."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_029_hook_between_effect_and_ack.scenario import broken, damaged
from failure_modes.proof import Driver, repro


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_broken_variant_fails_as_specified(driver: Driver):
    assert repro(find("FM_029"), driver).objections == ()


def test_the_worker_dies_of_its_hook_and_the_next_one_charges_again():
    store = faultloop.run(damaged, faults=["expire worker @ count_it>sleep #1 woken"]).value
    assert [charge.order for charge in store.charges].count(1) == 2
    assert store.log == ["the worker died of TimeoutError()"]


def test_a_worker_that_dies_before_the_effect_is_harmless():
    run = faultloop.run(broken, faults=["cancel worker @ serve>sleep #1 parked"])
    assert (run.status, run.not_reached) == ("passed", ())
