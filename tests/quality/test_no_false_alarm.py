"""Correct programs survive exploring: cancelled at any await, at any deadline, in any order that batch allows.

The programs are those of benchmarks/correct, and this is the quick form of benchmarks/no_false_alarm.py.
"""

import gc

import pytest

from benchmarks.correct.catalogue import PROGRAMS
from benchmarks.no_false_alarm import survive
from faultloop import explore
from faultloop.model.trace import Order

RUNS = 100
SLOW = {"a_queue_in_memory_runs_its_jobs"}
"""A run of it takes far longer: it has tests of its own, and the benchmark."""


def test_there_are_programs_enough():
    assert len(PROGRAMS) >= 50


# asyncio leaves a connection half-made that it accepts while its server is closed, and stumbles as it collects that.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("order", ["fifo", "batch"])
@pytest.mark.parametrize("program", [name for name in PROGRAMS if name not in SLOW])
def test_a_correct_program_survives_exploring(program: str, order: Order):
    verdict = survive(program, order, RUNS)
    gc.collect()
    assert verdict.alarms == []
    assert verdict.runs >= RUNS or "chains" in verdict.exhausted


@pytest.mark.parametrize("program", [name for name in PROGRAMS if name not in SLOW])
def test_a_correct_program_survives_every_order_that_holds_back_a_turn(program: str):
    found = explore(PROGRAMS[program], runs=30, order="any", faults=())
    assert [failure.message for failure in found.failures] == []
    assert found.status == "passed"
