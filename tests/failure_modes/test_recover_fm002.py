"""The damage of FM_002 can be repaired: one report stays."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_002_lease_expiry_slow_job.scenario import Report, Store, repair
from failure_modes.proof import Driver, recover


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_repair_restores_the_invariant_however_it_is_stopped(driver: Driver):
    assert recover(find("FM_002"), driver).objections == ()


def test_the_report_of_the_last_owner_stays_whoever_was_first():
    async def repaired() -> list[int]:
        store = Store("done", attempt=3, reports=[Report(2), Report(3), Report(1)])
        await repair(store)
        return [report.attempt for report in store.reports if not report.is_withdrawn]

    assert faultloop.run(repaired).value == [3]
