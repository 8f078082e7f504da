"""The guardrail of FM_029 holds: hooks come last, and decide nothing."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_029_hook_between_effect_and_ack.scenario import (
    Charge,
    Row,
    Store,
    acknowledgement_first,
    charged_again,
    count_it,
    work,
)
from failure_modes.proof import Driver, prevent


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_guarded_variant_holds_wherever_the_fault_lands(driver: Driver):
    assert prevent(find("FM_029"), driver).objections == ()


def test_what_the_hook_has_to_say_is_noted_and_the_worker_lives():
    async def guarded_work() -> Store:
        return await work(acknowledgement_first)

    store = faultloop.run(guarded_work, faults=["expire worker @ count_it>sleep #1 woken"]).value
    assert [charge.order for charge in store.charges] == [1, 2]
    assert store.log == ["order 1 was not counted"]


def test_to_catch_what_the_hook_raises_and_leave_it_there_is_half_of_it():
    async def hooks_first_and_caught(store: Store, row: Row) -> None:
        store.charges.append(Charge(row.order))
        try:
            await count_it(store)
        except TimeoutError:
            store.log.append("not counted")
        row.state = "done"

    async def half() -> list[int]:
        return [charge.order for charge in charged_again(await work(hooks_first_and_caught))]

    assert faultloop.run(half, faults=["expire worker @ count_it>sleep #1 woken"]).value == []
    assert faultloop.run(half, faults=["cancel worker @ count_it>sleep #1 parked"]).value == [1]
