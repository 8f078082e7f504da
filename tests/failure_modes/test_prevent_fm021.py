"""The guardrail of FM_021 holds: a follow-up has its parent's place."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_021_backpressure_deadlock.scenario import ORDERS, take_my_place, work
from failure_modes.proof import Driver, prevent


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_guarded_variant_holds_wherever_the_fault_lands(driver: Driver):
    assert prevent(find("FM_021"), driver).objections == ()


def test_all_is_done_although_the_queue_is_full():
    async def guarded_work() -> list[str]:
        return sorted((await work(take_my_place)).done)

    run = faultloop.run(guarded_work, faults=["expire worker @ pack>sleep #1 woken"])
    assert run.value == sorted(f"{kind} {number}" for kind in ("mail", "order") for number in range(ORDERS))
