"""What the systematic strategies promise: each schedule once, in order of cost, and an honest end."""

from itertools import pairwise
from math import comb
from random import Random

import pytest

from faultloop.deciders.bounded import Bounded
from faultloop.deciders.dfs import Dfs
from faultloop.deciders.portfolio import Portfolio
from faultloop.deciders.unseen import Unseen
from faultloop.deciders.urw import Urw
from tests.deciders.bed import LOCKS_IN_OPPOSITE_ORDER, MIXED, READ, WRITE, Do, Program, classes_of, line, runs

THREE_LINES: Program = [line(2, 2), line(3, 2), line(4, 1)]
SCHEDULES_OF_THREE_LINES = 30  # 5! / (2! 2! 1!)

PROGRAMS: dict[str, Program] = {
    "independent": THREE_LINES,
    "one object": [line(2, 2, WRITE), line(3, 2, WRITE)],
    "readers": [line(2, 2, READ), line(3, 2, READ), line(4, 1, WRITE)],
    "read then write": [line(2, 2, READ, WRITE), line(3, 1, READ), line(4, 2)],
    "locks": LOCKS_IN_OPPOSITE_ORDER,
    "mixed": MIXED,
    "waiting": [
        [Do(1, needs="go"), Do(2, touches=(WRITE,))],
        [Do(3, touches=(READ,)), Do(4, sets="go")],
        line(4, 1, WRITE),
    ],
}


def test_dfs_runs_each_schedule_once_and_says_so():
    strategy = Dfs()
    schedules = [tuple(ran.schedule) for ran in runs(THREE_LINES, strategy, 1000)]
    assert len(schedules) == len(set(schedules)) == SCHEDULES_OF_THREE_LINES
    assert strategy.is_exhausted


@pytest.mark.parametrize("bound", ["preemption", "delay", "delay-fifo"])
def test_bounded_search_runs_each_schedule_once_and_says_so(bound):
    strategy = Bounded(bound)
    schedules = [tuple(ran.schedule) for ran in runs(THREE_LINES, strategy, 1000)]
    assert len(schedules) == len(set(schedules)) == SCHEDULES_OF_THREE_LINES
    assert strategy.is_exhausted


def preemptions(schedule: list[int]) -> int:
    """How often a task was left that had not run its last step."""
    return sum(one != other and one in schedule[place + 1 :] for place, (one, other) in enumerate(pairwise(schedule)))


def test_schedules_come_by_the_number_of_preemptions():
    strategy = Bounded("preemption")
    costs = []
    for ran in runs([line(2, 3), line(3, 3)], strategy, 1000):
        costs.append(preemptions(ran.schedule))
    assert costs == sorted(costs)
    assert costs.count(0) == 2
    assert len(costs) == comb(6, 3)


@pytest.mark.parametrize("bound", ["delay", "delay-fifo"])
def test_schedules_come_by_the_number_of_delays(bound):
    strategy, costs = Bounded(bound), []
    for _ in runs(THREE_LINES, strategy, 1000):
        costs.append(strategy.cost)
    assert costs == sorted(costs)


def test_the_first_run_of_a_bounded_search_is_its_base_order():
    first = {
        bound: next(runs(THREE_LINES, Bounded(bound), 1)).schedule for bound in ("preemption", "delay", "delay-fifo")
    }
    assert first["preemption"] == first["delay"] == [1, 2, 2, 3, 3, 4]
    assert first["delay-fifo"] == [1, 2, 3, 4, 2, 3]


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_sleep_sets_miss_no_class(program):
    every = {classes_of(ran) for ran in runs(program, Dfs(), 20_000)}
    strategy = Dfs(sleeps=True)
    few = [classes_of(ran) for ran in runs(program, strategy, 20_000)]
    assert strategy.is_exhausted
    assert set(few) == every


def test_sleep_sets_leave_out_what_is_the_same():
    assert len(list(runs(THREE_LINES, Dfs(sleeps=True), 1000))) < SCHEDULES_OF_THREE_LINES
    assert len(list(runs(PROGRAMS["one object"], Dfs(sleeps=True), 1000))) == comb(4, 2)


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
@pytest.mark.parametrize("seed", range(3))
def test_what_is_left_out_as_seen_was_seen(program, seed):
    every = {classes_of(ran) for ran in runs(program, Dfs(), 20_000)}
    strategy = Unseen(Urw(Random(seed)))
    seen = [classes_of(ran) for ran in runs(program, strategy, 2_000)]
    assert strategy.is_exhausted
    assert set(seen) == every
    assert len(strategy.classes.ends) == len(every)


def test_a_program_of_one_class_is_exhausted_in_a_few_runs():
    assert len(list(runs([line(2, 3), line(3, 3)], Unseen(Urw(Random(1))), 1000))) <= 20


def test_the_portfolio_ends_only_if_it_sees_all():
    program = PROGRAMS["locks"]
    assert len(list(runs(program, Portfolio(Random(1), sees_all=True), 300))) < 100
    assert len(list(runs(program, Portfolio(Random(1)), 300))) == 300
