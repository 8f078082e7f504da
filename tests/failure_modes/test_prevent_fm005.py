"""The guardrail of FM_005 holds: the first word on an attempt is the only one."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_005_timeout_races_completion.scenario import Store, work
from failure_modes.proof import Driver, prevent


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_guarded_variant_holds_wherever_the_fault_lands(driver: Driver):
    assert prevent(find("FM_005"), driver).objections == ()


def test_a_success_whose_answer_is_late_stays_a_success():
    async def guarded_work() -> tuple[str, int]:
        row = (await work(Store.settle_first)).rows[0]
        return row.state, row.attempt

    run = faultloop.run(guarded_work, faults=["expire worker-1 @ tell>sleep #1 woken"])
    assert (run.value, run.not_reached) == (("succeeded", 1), ())
