"""The damage of FM_014 can be repaired: by the statement that nobody sent."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_014_dead_worker_holds_lease.scenario import Row, Store, repair
from failure_modes.proof import Driver, recover


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_repair_restores_the_invariant_however_it_is_stopped(driver: Driver):
    assert recover(find("FM_014"), driver).objections == ()


def test_a_lease_that_has_not_passed_is_left_alone():
    async def repaired() -> list[str]:
        store = Store([Row("running", 5), Row("running", 15), Row("done", 5)], seen_at=10)
        await repair(store)
        return [row.state for row in store.rows]

    assert faultloop.run(repaired).value == ["waiting", "running", "done"]
