"""FM_030 is real: the name lives, and so does the lease."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_030_worker_id_reused.scenario import broken, damaged
from failure_modes.proof import Driver, repro


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_broken_variant_fails_as_specified(driver: Driver):
    assert repro(find("FM_030"), driver).objections == ()


def test_a_job_is_kept_by_a_worker_that_knows_nothing_of_it():
    store = faultloop.run(damaged, faults=["cancel pod-1/worker @ serve>sleep #2 parked"]).value
    assert sorted(row.state for row in store.rows) == ["done", "done", "running"]
    (kept,) = [row for row in store.rows if row.state == "running"]
    assert kept.claimed_at < store.started_at["pod-1"] < store.seen_at < kept.lease_until


def test_a_worker_that_dies_with_nothing_in_hand_is_harmless():
    run = faultloop.run(broken, faults=["cancel pod-1/worker @ serve>sleep #1 parked"])
    assert (run.status, run.not_reached) == ("passed", ())
