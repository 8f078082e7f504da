"""The damage of FM_032 can be repaired: one job for all who were refused."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_032_unique_key_leak.scenario import Request, Row, Store, repair
from failure_modes.proof import Driver, recover


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_repair_restores_the_invariant_however_it_is_stopped(driver: Driver):
    assert recover(find("FM_032"), driver).objections == ()


def test_who_was_refused_gets_one_job_per_key_and_none_where_one_lives():
    async def repaired() -> list[tuple[str, str]]:
        rows = [Row("anna", "dead"), Row("ben", "running")]
        requests = [Request(key, "refused") for key in ("anna", "anna", "ben")]
        store = Store(rows, {"anna", "ben"}, requests)
        await repair(store)
        return [(row.key, row.state) for row in store.rows]

    assert faultloop.run(repaired).value == [("anna", "dead"), ("ben", "running"), ("anna", "waiting")]
