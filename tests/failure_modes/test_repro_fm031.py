"""FM_031 is real: the first job of a batch is slow, and the others are done twice."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_031_prefetch_stranding.scenario import broken, damaged
from failure_modes.proof import Driver, repro


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_broken_variant_fails_as_specified(driver: Driver):
    assert repro(find("FM_031"), driver).objections == ()


def test_what_lay_in_the_buffer_is_done_by_another_worker_and_then_by_its_owner():
    letters = faultloop.run(damaged, faults=["expire worker-1 @ address>sleep #1 woken"]).value.letters
    assert [(letter.customer, letter.worker) for letter in letters] == [
        (1, "worker-2"),
        (2, "worker-2"),
        (0, "worker-1"),
        (1, "worker-1"),
        (2, "worker-1"),
    ]


def test_a_slow_job_at_the_end_of_the_batch_is_harmless():
    run = faultloop.run(broken, faults=["expire worker-1 @ address>sleep #5 woken"])
    assert (run.status, run.not_reached) == ("passed", ())
