"""FM_014 is real: the one worker that looks for passed leases is the one that dies."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_014_dead_worker_holds_lease.scenario import broken, damaged
from failure_modes.proof import Driver, repro


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_broken_variant_fails_as_specified(driver: Driver):
    assert repro(find("FM_014"), driver).objections == ()


@pytest.mark.parametrize("death", ["crash", "cancel"])
def test_the_other_worker_does_the_rest_and_never_looks_at_what_is_held(death: str):
    run = faultloop.run(damaged, faults=[f"{death} worker-1 @ serve>sleep #1 parked"])
    assert sorted(row.state for row in run.value.rows) == ["done", "done", "running"]


def test_a_leader_that_is_up_again_before_the_lease_is_over_looks():
    run = faultloop.run(broken, faults=["crash:1s worker-1 @ serve>sleep #1 parked"])
    assert (run.status, run.not_reached) == ("passed", ())


def test_the_death_of_a_worker_that_is_not_the_leader_is_harmless():
    run = faultloop.run(broken, faults=["cancel worker-2 @ serve>sleep #1 parked"])
    assert (run.status, run.not_reached) == ("passed", ())
