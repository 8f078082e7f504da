"""The guardrail of FM_031 holds: who is slow has nothing that others could do."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_031_prefetch_stranding.scenario import claim_for_free_slots, work
from failure_modes.proof import Driver, prevent


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_guarded_variant_holds_wherever_the_fault_lands(driver: Driver):
    assert prevent(find("FM_031"), driver).objections == ()


def test_the_other_worker_does_the_rest_at_once():
    async def guarded_work() -> list[tuple[int, str]]:
        return [(letter.customer, letter.worker) for letter in (await work(claim_for_free_slots)).letters]

    run = faultloop.run(guarded_work, faults=["expire worker-1 @ address>sleep #1 woken"])
    assert run.value == [(1, "worker-2"), (2, "worker-2"), (0, "worker-1")]
