"""The damage of FM_027 can be repaired: what goes round is parked."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_027_redrive_loop.scenario import CLAIMS_MAX, Row, Store, repair
from failure_modes.proof import Driver, recover


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_repair_restores_the_invariant_however_it_is_stopped(driver: Driver):
    assert recover(find("FM_027"), driver).objections == ()


def test_who_has_tries_left_is_left_alone():
    async def repaired() -> list[str]:
        claims = (CLAIMS_MAX, CLAIMS_MAX + 1)
        store = Store([Row("", state, claims=count) for state in ("waiting", "dead", "done") for count in claims])
        await repair(store)
        return [row.state for row in store.rows]

    assert faultloop.run(repaired).value == ["waiting", "parked", "dead", "parked", "done", "done"]
