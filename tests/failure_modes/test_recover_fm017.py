"""The damage of FM_017 can be repaired: all but the first of a minute are reversed."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_017_cron_double_fire.scenario import Job, Store, repair
from failure_modes.proof import Driver, recover


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_repair_restores_the_invariant_however_it_is_stopped(driver: Driver):
    assert recover(find("FM_017"), driver).objections == ()


def test_the_first_job_of_each_minute_stands():
    async def repaired() -> list[str]:
        store = Store([Job(1, "done"), Job(1, "done"), Job(2), Job(2)])
        await repair(store)
        return [job.state for job in store.jobs]

    assert faultloop.run(repaired).value == ["done", "reversed", "waiting", "reversed"]
