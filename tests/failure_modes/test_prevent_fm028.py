"""The guardrail of FM_028 holds: what counts lives as long as what it counts for."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_028_retry_counter_amnesia.scenario import TRIES, Row, in_row, work
from failure_modes.proof import Driver, prevent


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_guarded_variant_holds_wherever_the_fault_lands(driver: Driver):
    assert prevent(find("FM_028"), driver).objections == ()


def row_after_a_pause(nth: int) -> Row:
    async def guarded_work() -> Row:
        return await work(in_row)

    left: Row = faultloop.run(guarded_work, faults=[f"expire worker @ send>sleep #{nth} woken"]).value
    return left


def test_after_the_pause_the_last_try_is_the_last():
    row = row_after_a_pause(1)
    assert (row.state, row.tries, len(row.events)) == ("dead", TRIES, TRIES)


@pytest.mark.parametrize("nth", [3, 5])
def test_however_late_the_pause_is_no_try_is_forgotten(nth: int):
    row = row_after_a_pause(nth)
    assert row.tries == len(row.events) <= TRIES
