"""The guardrail of FM_026 holds: the condition is part of the write."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_026_recovery_drift.scenario import free_if_stuck, work
from failure_modes.proof import Driver, prevent


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_guarded_variant_holds_wherever_the_fault_lands(driver: Driver):
    assert prevent(find("FM_026"), driver).objections == ()


@pytest.mark.parametrize(
    ("fault", "events"),
    [
        ("expire worker @ ask>sleep #1 woken", [("claimed", 1), ("succeeded", 1)]),
        ("cancel worker @ ask>sleep #1 parked", [("claimed", 1), ("rescued", 1)]),
    ],
    ids=["done-meanwhile", "worker-died"],
)
def test_a_late_success_stands_and_a_death_is_counted_once(fault: str, events: list[tuple[str, int]]):
    async def guarded_work() -> list[tuple[str, int]]:
        return (await work(free_if_stuck)).events

    assert faultloop.run(guarded_work, faults=[fault]).value == events
