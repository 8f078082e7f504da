"""The guardrail of FM_024 holds: a cancellation passes."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_024_swallowed_cancel.scenario import send, work
from failure_modes.proof import Driver, prevent


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_guarded_variant_holds_wherever_the_fault_lands(driver: Driver):
    assert prevent(find("FM_024"), driver).objections == ()


def test_a_job_that_was_stopped_by_its_deadline_is_tried_again():
    async def guarded_work() -> list[int]:
        return sorted((await work(send)).sent)

    assert faultloop.run(guarded_work, faults=["expire worker @ Store.send>sleep #1 woken"]).value == [1, 2]


def test_a_worker_that_is_stopped_gives_its_job_back_and_begins_no_other():
    async def guarded_work() -> list[str]:
        return [row.state for row in (await work(send)).rows]

    run = faultloop.run(guarded_work, faults=["cancel worker @ Store.send>sleep #1 parked"])
    assert run.value == ["waiting", "waiting"]
