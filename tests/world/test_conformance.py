"""The simulated network shows a program what the kernel shows it: the same log, and on our loop the same steps."""

import pytest

from tests.world import programs_streams
from tests.world.support import AUTO, SIMULATED, Program, on_our_loop, on_stock_asyncio

PROGRAMS = (*programs_streams.PROGRAMS,)
each_program = pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)


@each_program
def test_a_program_sees_on_the_simulated_network_what_it_sees_on_the_kernels(program: Program):
    real = on_stock_asyncio(program)
    assert on_our_loop(program, None)[0] == real
    assert on_our_loop(program, AUTO)[0] == real
    assert on_our_loop(program, SIMULATED)[0] == real
    assert real, "a program that shows nothing proves nothing"
