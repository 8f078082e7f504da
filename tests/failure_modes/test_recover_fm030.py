"""The damage of FM_030 can be repaired: what is older than its owner is let go."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_030_worker_id_reused.scenario import Row, Store, repair
from failure_modes.proof import Driver, recover


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_repair_restores_the_invariant_however_it_is_stopped(driver: Driver):
    assert recover(find("FM_030"), driver).objections == ()


def test_what_the_living_process_has_claimed_is_left_to_it():
    async def repaired() -> list[str]:
        rows = [Row("running", "pod-1", "pod-1", claimed_at=at) for at in (3.0, 12.0)]
        store = Store(rows, {"pod-1": 10.0}, seen_at=20.0)
        await repair(store)
        return [row.state for row in store.rows]

    assert faultloop.run(repaired).value == ["waiting", "running"]
