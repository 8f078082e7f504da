"""The damage of FM_005 can be repaired: the first outcome of each attempt counts."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_005_timeout_races_completion.scenario import Row, Settlement, Store, repair
from failure_modes.proof import Driver, recover


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_repair_restores_the_invariant_however_it_is_stopped(driver: Driver):
    assert recover(find("FM_005"), driver).objections == ()


def test_a_job_that_waits_for_another_attempt_after_its_success_is_closed():
    async def repaired() -> list[str]:
        told = [Settlement(0, 1, "succeeded"), Settlement(0, 1, "failed"), Settlement(1, 1, "failed")]
        store = Store({0: Row("waiting", 1), 1: Row("waiting", 1)}, told)
        await repair(store)
        return [row.state for row in store.rows.values()]

    assert faultloop.run(repaired).value == ["succeeded", "waiting"]
