"""The simulated network shows a program what the kernel shows it: the same log, and on our loop the same steps."""

import pytest

from tests.world import programs_datagrams, programs_streams, programs_tls
from tests.world.support import AUTO, SIMULATED, Program, on_our_loop, on_stock_asyncio

PROGRAMS = (*programs_streams.PROGRAMS, *programs_datagrams.PROGRAMS, *programs_tls.PROGRAMS)
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
