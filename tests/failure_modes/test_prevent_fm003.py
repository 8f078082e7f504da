"""The guardrail of FM_003 holds: what a token claimed is given back, with or without the answer."""

import anyio
import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_003_cancel_between_claim_and_try.scenario import (
    Store,
    assert_holds,
    give_back,
    one_in_try,
    run,
    work,
)
from failure_modes.proof import Driver, prevent


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_guarded_variant_holds_wherever_the_fault_lands(driver: Driver):
    assert prevent(find("FM_003"), driver).objections == ()


@pytest.mark.parametrize(
    "fault", ["cancel worker-1 @ Store.claim>sleep #2", "expire worker-1 @ Store.claim>sleep #1 woken"]
)
def test_the_job_is_done_after_all(fault: str):
    async def guarded_work() -> list[str]:
        return [row.state for row in (await work(one_in_try)).rows]

    assert faultloop.run(guarded_work, faults=[fault]).value == ["done", "done"]


def test_a_shield_around_the_claim_bears_no_time_out():
    async def one_shielded(store: Store, token: str) -> bool:
        with anyio.CancelScope(shield=True):
            row = await store.claim(token)
        try:
            return await run(store, row)
        finally:
            await give_back(store, token)

    async def half_guarded() -> None:
        assert_holds(await work(one_shielded))

    stopped = faultloop.run(half_guarded, faults=["cancel worker-1 @ Store.claim>sleep #2"])
    expired = faultloop.run(half_guarded, faults=["expire worker-1 @ Store.claim>sleep #1 woken"])
    assert (stopped.status, expired.status) == ("passed", "violated")
