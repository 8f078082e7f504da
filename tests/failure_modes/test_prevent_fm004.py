"""The guardrail of FM_004 holds: the acknowledgement is sent, and then the worker is stopped."""

import anyio
import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_004_cancel_during_ack.scenario import ORDERS, Warehouse, ack_shielded, work
from failure_modes.proof import Driver, prevent


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_guarded_variant_holds_wherever_the_fault_lands(driver: Driver):
    assert prevent(find("FM_004"), driver).objections == ()


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_a_worker_stopped_at_its_acknowledgement_ends_with_it_and_claims_no_more(driver: Driver):
    tried: list[int] = []

    async def ack(warehouse: Warehouse, order: int) -> None:
        tried.append(order)
        try:
            await ack_shielded(warehouse, order)
        finally:
            assert warehouse.state[order] == "done"
            await anyio.lowlevel.checkpoint()

    async def guarded_work() -> dict[int, str]:
        return (await work(ack)).state

    run = faultloop.run(guarded_work, faults=["cancel worker-1 @ Warehouse.ack>sleep #1"], driver=driver)
    assert run.value == dict.fromkeys(ORDERS, "done")
    assert tried == list(ORDERS)
