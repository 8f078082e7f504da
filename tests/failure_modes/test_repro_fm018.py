"""FM_018 is real: the window is closed, and all that it had in hand is gone."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_018_dead_letter_lost.scenario import damaged
from failure_modes.proof import Driver, repro


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_broken_variant_fails_as_specified(driver: Driver):
    assert repro(find("FM_018"), driver).objections == ()


@pytest.mark.parametrize(("nth", "done"), [(1, []), (3, ["order-1"]), (5, ["order-1", "order-2"])])
def test_what_was_not_sent_yet_is_nowhere(nth: int, done: list[str]):
    broker = faultloop.run(damaged, faults=[f"cancel operator @ travel>sleep #{nth} parked"]).value
    assert (broker.done, broker.queue, broker.dead) == (done, {}, {})
