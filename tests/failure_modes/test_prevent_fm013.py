"""The guardrail of FM_013 holds: who polls as well finds what nobody told."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_013_lost_wakeup.scenario import JOBS, until_notified_or_later, work
from failure_modes.proof import Driver, prevent


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_guarded_variant_holds_wherever_the_fault_lands(driver: Driver):
    assert prevent(find("FM_013"), driver).objections == ()


def test_all_jobs_are_done_without_a_single_notification():
    async def guarded_work() -> list[int]:
        return (await work(until_notified_or_later)).done

    deaf = "cancel listener @ listen>MemoryObjectReceiveStream.receive #1 parked"
    assert faultloop.run(guarded_work, faults=[deaf]).value == list(range(JOBS))
