"""FM_007 is real: half a record, and a customer is charged a hundredth."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_007_torn_record.scenario import ORDERS, broken, damaged, parsed, record
from failure_modes.proof import Driver, repro


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_broken_variant_fails_as_specified(driver: Driver):
    assert repro(find("FM_007"), driver).objections == ()


def test_the_whole_record_that_follows_comes_too_late():
    run = faultloop.run(damaged, faults=["cancel shop-1 @ append>sleep #2 parked"])
    first, second, *_ = run.value.log.split("\n")[1:]
    assert (parsed(first), second) == ((41, 15), record(41, ORDERS[41]))
    assert run.value.charged == {**ORDERS, 41: 15}


def test_a_writer_stopped_before_its_record_leaves_nothing_torn():
    run = faultloop.run(broken, faults=["cancel shop-1 @ append>sleep #1 parked"])
    assert (run.status, run.not_reached) == ("passed", ())
