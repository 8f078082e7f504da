"""FM_011 is real: one upload that was cut off, and the line stands still."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_011_poison_head_of_line.scenario import CLAIMS_MAX, broken, damaged
from failure_modes.proof import Driver, repro


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_broken_variant_fails_as_specified(driver: Driver):
    assert repro(find("FM_011"), driver).objections == ()


def test_nothing_behind_it_is_done_and_no_failure_is_counted():
    rows = faultloop.run(damaged, faults=["cancel upload-0 @ upload>sleep #2 parked"]).value.rows
    assert [(row.state, row.failures) for row in rows] == [("waiting", 0)] * 3
    assert (rows[0].claims > CLAIMS_MAX, [row.claims for row in rows[1:]]) == (True, [0, 0])


def test_a_job_that_fails_where_it_is_caught_is_bounded_already():
    run = faultloop.run(broken, faults=["cancel upload-0 @ upload>sleep #1 parked"])
    assert (run.status, run.not_reached) == ("passed", ())
