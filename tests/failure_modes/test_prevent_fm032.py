"""The guardrail of FM_032 holds: what is dead is in nobody's way."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_032_unique_key_leak.scenario import Row, Store, by_job, work
from failure_modes.proof import Driver, prevent


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_guarded_variant_holds_wherever_the_fault_lands(driver: Driver):
    assert prevent(find("FM_032"), driver).objections == ()


@pytest.mark.parametrize("fault", ["cancel worker-1 @ run>sleep #1 parked", "expire worker-1 @ run>sleep #1 woken"])
def test_the_next_request_is_accepted_and_done(fault: str):
    async def guarded_work() -> list[str]:
        return [row.state for row in (await work(by_job)).rows]

    assert faultloop.run(guarded_work, faults=[fault]).value == ["dead", "done", "done"]


@pytest.mark.parametrize(
    ("state", "is_taken"), [("waiting", True), ("running", True), ("done", False), ("dead", False)]
)
def test_a_key_is_taken_as_long_as_its_job_lives(state: str, is_taken: bool):
    assert by_job(Store([Row("anna", state)]), "anna") is is_taken
