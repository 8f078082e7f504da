"""The short form of `python -m tests.aqueue.sweeps`; docs/benchmarks.md has the figures of the exhaustive one."""

from __future__ import annotations

import pytest

from tests.aqueue.sweeps import SCENES, sweep


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
@pytest.mark.parametrize("scene", list(SCENES))
def test_wherever_a_question_or_an_answer_of_the_store_is_lost_nothing_else_is(scene: str, driver: str):
    found = sweep(scene, "errors", driver=driver)
    assert [(failure.fault, failure.message) for failure in found.failures] == []
    assert found.status == "passed"
    assert found.exhausted
    assert found.tried >= 15


@pytest.mark.parametrize(("scene", "fault"), [("try", "crash:1s"), ("shutdown", "pause:5s"), ("redrive", "delay:5s")])
def test_wherever_a_process_dies_or_stands_still_another_one_ends_its_work(scene: str, fault: str):
    found = sweep(scene, fault)
    assert [(failure.fault, failure.message) for failure in found.failures] == []
    assert found.exhausted
    assert found.tried >= 50


def test_two_errors_in_one_try_lose_nothing():
    found = sweep("cancel", "errors", depth=2, runs=150)
    assert [(failure.fault, failure.message) for failure in found.failures] == []
    assert found.runs > 60


def test_a_handler_without_a_ledger_is_found():
    """Without this, quiet sweeps would prove nothing."""
    found = sweep("try", "errors", is_careless=True, first=True)
    assert found.status == "violated"
    assert "taken for new twice" in found.failures[0].message
