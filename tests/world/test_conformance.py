"""The simulated network shows a program what the kernel shows it: the same log, and on our loop the same steps."""

from collections.abc import Callable

import pytest

from faultloop.drivers.asyncio.run import execute
from faultloop.drivers.settings import Settings
from tests.support.length import times
from tests.world import programs_datagrams, programs_random, programs_sockets, programs_streams, programs_tls
from tests.world.support import AUTO, SIMULATED, Program, on_our_loop, on_stock_asyncio

PROGRAMS = (
    *programs_streams.PROGRAMS,
    *programs_sockets.PROGRAMS,
    *programs_datagrams.PROGRAMS,
    *programs_tls.PROGRAMS,
)
each_program = pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
FILL_BUFFERS = {
    programs_streams.abort_drops_what_was_not_sent,
    programs_streams.a_large_transfer_comes_whole,
    programs_streams.a_reader_that_pauses_stops_the_writer,
    programs_streams.drain_waits_for_the_reader,
    programs_tls.an_echo_over_tls,
}
"""Programs whose steps depend on how much a kernel buffers, which Linux sizes as it goes."""


@each_program
def test_a_program_sees_on_the_simulated_network_what_it_sees_on_the_kernels(program: Program):
    real = on_stock_asyncio(program)
    assert real, "a program that shows nothing proves nothing"
    loopback, simulated = on_our_loop(program, None), on_our_loop(program, SIMULATED)
    assert loopback[0] == real
    assert on_our_loop(program, AUTO)[0] == real
    assert simulated[0] == real
    assert simulated[1].steps == loopback[1].steps or program in FILL_BUFFERS


@pytest.mark.parametrize("make", [programs_random.stream_program, programs_random.datagram_program])
def test_whatever_calls_are_made_each_comes_to_what_it_comes_to_on_the_kernel(make: Callable[[int], Program]):
    """Goal: not only what we thought of. Method: drawn calls of sockets, in all orders, on both networks."""
    for seed in range(times(400)):
        program, simulated = make(seed), list[object]()
        execute(lambda: program(simulated), Settings(network=SIMULATED))  # noqa: B023  # done before the next one
        # A kernel that is busy may bring something a turn late; not each time.
        assert any(on_stock_asyncio(program) == simulated for _ in range(3)), (seed, simulated)
        assert simulated, "a program that shows nothing proves nothing"
