"""The damage of FM_011 can be repaired: the job is buried by hand."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_011_poison_head_of_line.scenario import CHUNKS, CLAIMS_MAX, Row, Store, claim_oldest, repair
from failure_modes.proof import Driver, recover


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_repair_restores_the_invariant_however_it_is_stopped(driver: Driver):
    assert recover(find("FM_011"), driver).objections == ()


def test_who_is_behind_it_is_next():
    async def repaired() -> tuple[list[str], Row | None]:
        store = Store([Row(0, 1, claims=CLAIMS_MAX + 1), Row(1, CHUNKS, claims=CLAIMS_MAX), Row(2, CHUNKS)])
        await repair(store)
        return [row.state for row in store.rows], claim_oldest(store)

    states, claimed = faultloop.run(repaired).value
    assert states == ["dead", "waiting", "waiting"]
    assert claimed is not None
    assert claimed.image == 1
