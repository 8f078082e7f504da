"""Clients and servers of other projects run on the simulated network as they are."""

import gc

import pytest

import faultloop
from tests.drivers.support import passed
from tests.world.libraries.programs import EXPECTED, Program

each_program = pytest.mark.parametrize("program", EXPECTED, ids=lambda program: program.__name__)
HANGS = {"deadlocked", "livelocked", "over limit"}


@each_program
def test_a_library_works_as_it_is(program: Program):
    assert passed(program, io="simulated").value == EXPECTED[program]


@each_program
def test_a_run_with_a_library_is_had_again_from_its_trace(program: Program):
    for seed in range(4):
        run = passed(program, io="simulated", seed=seed, order="batch")
        again = faultloop.replay(run.trace, program)
        assert again.same_digest, again.divergence
        assert again.run.value == EXPECTED[program]


# What a library forgets to close when it is cancelled is its own business here; that the run ends is ours.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@each_program
def test_no_cancellation_makes_a_library_hang(program: Program):
    found = faultloop.explore(program, io="simulated", strategy="sweep", faults=["cancel"], runs=120)
    tried, kinds = found.tried, {failure.kind for failure in found.failures}
    del found
    gc.collect()  # what was forgotten complains here and now, and not in some later test
    assert tried > 20
    assert not kinds & HANGS
