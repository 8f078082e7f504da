"""Lanes: what a picture of a run is drawn of, from runs that were made."""

from itertools import pairwise
from random import Random

import pytest

from faultloop import Trace, run
from faultloop.report.lanes import flows, lanes_of
from tests.report.programs import busy, hand_over, stuck

HANDED_OVER = "cancel taker @ Queue.get #1 woken"


@pytest.fixture(scope="module", params=range(12))
def trace(request: pytest.FixtureRequest) -> Trace:
    return run(busy(Random(request.param)), seed=request.param, order="any").trace


def test_the_waits_of_a_task_follow_each_other(trace: Trace):
    waits = lanes_of(trace).waits
    assert len(waits) > 5
    for task in range(len(trace.tasks)):
        mine = [wait for wait in waits if wait.task == task]
        for wait, following in pairwise(mine):
            assert wait.end is not None
            assert wait.begin.step < wait.end.step <= following.begin.step


def test_a_wait_is_woken_before_its_task_goes_on(trace: Trace):
    for wait in lanes_of(trace).waits:
        if wait.woken is not None and wait.end is not None:
            assert wait.begin.event < wait.woken.event < wait.end.event


def test_every_step_of_a_task_is_a_turn(trace: Trace):
    turns = lanes_of(trace).turns
    assert len(turns) == sum(event.ev in ("await", "end") for event in trace.events)
    assert [moment.event for _, moment in turns] == sorted(moment.event for _, moment in turns)


def test_who_wakes_another_is_told():
    trace = run(hand_over).trace
    (wake,) = flows(lanes_of(trace).waits)[:1]
    assert (trace.tasks[wake.by].path, trace.tasks[wake.task].path) == ("hand_over", "hand_over/taker")
    assert wake.fate == "over"


def test_a_fault_after_the_wake_up_takes_what_was_handed_over():
    trace = run(hand_over, faults=[HANDED_OVER]).trace
    (lost,) = [wait for wait in lanes_of(trace).waits if wait.fate == "lost"]
    assert trace.tasks[lost.task].path == "hand_over/taker"


def test_a_task_that_never_goes_on_has_an_open_wait():
    trace = run(stuck).trace
    assert {trace.tasks[wait.task].path for wait in lanes_of(trace).waits if wait.fate == "open"} == {
        "stuck",
        "stuck/forgotten",
    }


def test_a_trace_without_events_has_empty_lanes():
    trace = run(stuck).trace
    lanes = lanes_of(Trace(env=trace.env, outcome=trace.outcome, tasks=trace.tasks))
    assert (lanes.waits, lanes.turns, lanes.marks) == ((), (), ())
