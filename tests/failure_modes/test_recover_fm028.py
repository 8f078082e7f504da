"""The damage of FM_028 can be repaired: the history is counted."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_028_retry_counter_amnesia.scenario import TRIES, Row, repair
from failure_modes.proof import Driver, recover


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_repair_restores_the_invariant_however_it_is_stopped(driver: Driver):
    assert recover(find("FM_028"), driver).objections == ()


@pytest.mark.parametrize(("claims", "state"), [(TRIES - 1, "waiting"), (TRIES, "dead"), (TRIES + 4, "dead")])
def test_who_has_a_try_left_keeps_it(claims: int, state: str):
    async def repaired() -> tuple[str, int]:
        row = Row(tries=1, events=[float(at) for at in range(claims)])
        await repair(row)
        return row.state, row.tries

    assert faultloop.run(repaired).value == (state, claims)
