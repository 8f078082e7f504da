"""The guardrail of FM_018 holds: a letter is in one place or in the other."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_018_dead_letter_lost.scenario import ORDERS, Broker, move, work
from failure_modes.proof import Driver, prevent


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_guarded_variant_holds_wherever_the_fault_lands(driver: Driver):
    assert prevent(find("FM_018"), driver).objections == ()


@pytest.mark.parametrize("nth", range(1, 7))
def test_what_was_not_sent_yet_is_still_dead(nth: int):
    async def guarded_work() -> Broker:
        return await work(move)

    broker = faultloop.run(guarded_work, faults=[f"cancel operator @ travel>sleep #{nth} parked"]).value
    assert {*broker.done, *broker.dead} == set(ORDERS)
    assert len(broker.done) == (nth - 1) // 2
