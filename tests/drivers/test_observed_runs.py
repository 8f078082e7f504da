"""A run is the same whether its program is observed or not."""

from collections.abc import Sequence

import pytest

import faultloop
from faultloop.drivers.observed.code import is_observed
from faultloop.drivers.observed.observing import observed
from tests.drivers import observed_program as program


def transfer(seed: int | None = None, faults: Sequence[str] = ()) -> faultloop.Run:
    """The program, as good as new."""
    program.CACHE.clear()
    program.total = 0
    return faultloop.run(program.transfer, seed=seed, order="fifo" if seed is None else "any", faults=faults)


@pytest.mark.parametrize("seed", [None, 1, 2, 3])
def test_the_digest_of_a_run_is_the_same(seed: int | None):
    plain = transfer(seed)
    with observed([program.__name__]):
        assert is_observed(program.transfer.__code__)
        seen = transfer(seed)
    assert plain.exception is None
    assert seen.value == plain.value
    assert seen.trace.digest == plain.trace.digest
    assert seen.history == plain.history


def test_an_address_means_the_same_await():
    faults = ["cancel move @ sleep #1"]
    with observed([program.__name__]):
        seen = transfer(faults=faults)
    plain = transfer(faults=faults)
    assert plain.trace.delivered
    assert seen.trace.digest == plain.trace.digest


def test_a_trace_recorded_under_observation_replays_without_it():
    with observed([program.__name__]):
        trace = transfer(seed=2).trace
    program.CACHE.clear()
    program.total = 0
    assert faultloop.replay(trace, program.transfer).same_digest
