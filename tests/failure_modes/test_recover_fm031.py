"""The damage of FM_031 can be repaired: the second letter is excused."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_031_prefetch_stranding.scenario import Letter, Store, repair
from failure_modes.proof import Driver, recover


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_repair_restores_the_invariant_however_it_is_stopped(driver: Driver):
    assert recover(find("FM_031"), driver).objections == ()


def test_the_first_letter_to_each_customer_stands():
    async def repaired() -> list[bool]:
        store = Store(letters=[Letter(1, "worker-2"), Letter(0, "worker-1"), Letter(1, "worker-1")])
        await repair(store)
        return [letter.is_excused for letter in store.letters]

    assert faultloop.run(repaired).value == [False, False, True]
