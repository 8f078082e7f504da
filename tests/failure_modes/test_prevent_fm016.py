"""The guardrail of FM_016 holds: one clock decides."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_016_clock_jump.scenario import by_store, work
from failure_modes.proof import Driver, prevent


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_guarded_variant_holds_wherever_the_fault_lands(driver: Driver):
    assert prevent(find("FM_016"), driver).objections == ()


def test_both_clocks_may_jump_and_a_worker_that_died_is_replaced_all_the_same():
    async def guarded_work() -> list[int]:
        return [invoice.attempt for invoice in (await work(by_store)).invoices]

    jumps = [f"expire ntp-{host} @ set_clock>sleep #2 woken" for host in (1, 2)]
    assert faultloop.run(guarded_work, faults=jumps).value == [1]
    died = [*jumps, "cancel worker-1 @ serve>sleep #1 parked"]
    assert faultloop.run(guarded_work, faults=died).value == [2]
