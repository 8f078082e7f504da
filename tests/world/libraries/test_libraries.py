"""Clients and servers of other projects run as they are, on the simulated network."""

import gc
import os

import pytest

import faultloop
from tests.drivers.support import passed
from tests.world.libraries.programs import EXPECTED, Program

SEEDS = int(os.environ.get("FAULTLOOP_LIBRARY_SEEDS", "4"))
"""In how many orders each is replayed: a few along with all other tests, a hundred by `make test-libraries`."""
HANGS = {"deadlocked", "livelocked"}
OF_ASYNCIO = "cancel: a task of asyncio's own; name it in the pattern of tasks to have it hit"
each_program = pytest.mark.parametrize("program", EXPECTED, ids=lambda program: program.__name__)


@each_program
def test_a_library_works_as_it_is(program: Program):
    assert passed(program, io="simulated").value == EXPECTED[program]


@each_program
def test_a_run_with_a_library_is_had_again_from_its_trace(program: Program):
    for seed in range(SEEDS):
        run = passed(program, io="simulated", seed=seed, order="batch")
        again = faultloop.replay(run.trace, program)
        assert again.same_digest, again.divergence
        assert again.run.value == EXPECTED[program]


# What a library forgets to close when it is cancelled is its own business here; that the run ends is ours.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@each_program
def test_no_cancellation_makes_a_library_hang(program: Program):
    found = faultloop.explore(program, io="simulated", strategy="sweep", faults=["cancel"])
    told, kinds = [left_out.reason for left_out in found.not_tried], {failure.kind for failure in found.failures}
    tried, complete = found.tried, found.exhausted
    del found
    gc.collect()  # what was forgotten complains here and now, and not in some later test
    assert tried > 30
    assert complete == ("every single fault (cancel) at every await of the calm run",)
    assert set(told) <= {OF_ASYNCIO}  # none of them ran over a limit, or was another run the next time
    assert not kinds & HANGS
