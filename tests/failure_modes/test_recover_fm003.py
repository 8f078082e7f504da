"""The damage of FM_003 can be repaired: what a token without a worker holds is released."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_003_cancel_between_claim_and_try.scenario import Row, Store, repair
from failure_modes.proof import Driver, recover


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_repair_restores_the_invariant_however_it_is_stopped(driver: Driver):
    assert recover(find("FM_003"), driver).objections == ()


def test_jobs_that_are_done_are_not_done_again():
    async def repaired() -> list[str]:
        store = Store([Row(0, "done", "worker-1, claim 1"), Row(1, "running", "worker-1, claim 2"), Row(2)])
        await repair(store)
        return [row.state for row in store.rows]

    assert faultloop.run(repaired).value == ["done", "waiting", "waiting"]
