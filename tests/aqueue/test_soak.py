"""A few hours of what `python -m tests.aqueue.soak` does for days."""

from __future__ import annotations

import pytest

from tests.aqueue.soak import soak


@pytest.mark.parametrize(("seed", "driver"), [(0, "asyncio"), (1, "asyncio"), (2, "trio")])
def test_three_hours_of_crashes_and_store_errors_end_with_everything_done_once(seed: int, driver: str):
    run, weather = soak(seed, driver=driver, hours=3)
    assert run.status == "passed", run.trace.outcome.message
    assert weather.hours_checked >= 2
    assert weather.crashes >= 1
    assert weather.store_errors >= 5
    assert weather.ended["succeeded"] >= 20


def test_the_soak_finds_a_handler_whose_writes_are_not_part_of_its_success():
    run, _ = soak(0, hours=3, is_careless=True)
    assert run.status == "violated"
    assert "each success wrote its receipt once" in run.trace.outcome.message
