"""The damage of FM_026 can be repaired: a job is what its history adds up to."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_026_recovery_drift.scenario import Row, repair
from failure_modes.proof import Driver, recover


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_repair_restores_the_invariant_however_it_is_stopped(driver: Driver):
    assert recover(find("FM_026"), driver).objections == ()


def test_a_job_that_is_freed_rightly_stays_free():
    async def repaired() -> tuple[str, int]:
        row = Row("waiting", 1, 2, 7.0, [("claimed", 1), ("rescued", 1), ("rescued", 1)])
        await repair(row)
        return row.state, row.failures

    assert faultloop.run(repaired).value == ("waiting", 1)


def test_a_success_that_was_undone_is_one_again():
    async def repaired() -> tuple[str, int]:
        row = Row("waiting", 1, 1, 7.0, [("claimed", 1), ("succeeded", 1), ("rescued", 1)])
        await repair(row)
        return row.state, row.failures

    assert faultloop.run(repaired).value == ("done", 0)
