"""FM_013 is real: the listener ends, and the worker sleeps beside the jobs."""

import pytest

import faultloop
from failure_modes.catalogue import find
from failure_modes.FM_013_lost_wakeup.scenario import JOBS, damaged
from failure_modes.proof import Driver, repro


@pytest.mark.parametrize("driver", ["asyncio", "trio"])
def test_the_broken_variant_fails_as_specified(driver: Driver):
    assert repro(find("FM_013"), driver).objections == ()


@pytest.mark.parametrize("heard", range(JOBS))
def test_what_came_before_the_listener_ended_is_done_and_nothing_after(heard: int):
    waits = 2 * heard + 1  # each receive is a checkpoint and a wait
    lost = f"cancel listener @ listen>MemoryObjectReceiveStream.receive #{waits} parked"
    run = faultloop.run(damaged, faults=[lost])
    assert (run.value.done, run.value.waiting) == (list(range(heard)), list(range(heard, JOBS)))
