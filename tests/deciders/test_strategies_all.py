"""What every strategy promises."""

from random import Random

import pytest

from faultloop.deciders.strategies import STRATEGIES, SYSTEMATIC
from tests.deciders.bed import LOCKS_IN_OPPOSITE_ORDER, MIXED, line, runs

LEARNING = sorted(set(STRATEGIES) - SYSTEMATIC)


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_every_answer_is_an_option_and_every_step_runs(name: str):
    for ran in runs(MIXED, STRATEGIES[name](Random(1)), 60):
        assert not ran.is_stuck
        assert sorted(ran.schedule) == [1, 2, 2, 2, 3, 3, 4, 4, 5, 5, 6]


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_the_same_seed_gives_the_same_runs(name: str):
    def schedules(seed: int) -> list[list[int]]:
        return [ran.schedule for ran in runs(MIXED, STRATEGIES[name](Random(seed)), 40)]

    assert schedules(5) == schedules(5)
    if name not in SYSTEMATIC:
        assert schedules(5) != schedules(6)


@pytest.mark.parametrize("name", LEARNING)
def test_a_deadlock_of_two_locks_is_found_soon(name: str):
    found = 0
    for seed in range(20):
        found += any(ran.is_stuck for ran in runs(LOCKS_IN_OPPOSITE_ORDER, STRATEGIES[name](Random(seed)), 40))
    # PCT of depth 1 runs a task to its end unless it waits: it cannot find this one.
    assert found == (0 if name == "pct1" else 20)


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_a_lone_task_is_no_question(name: str):
    (ran,) = runs([line(2, 3)], STRATEGIES[name](Random(1)), 1)
    assert ran.questions == 0


@pytest.mark.parametrize("name", LEARNING)
def test_a_crowd_that_comes_and_goes_is_borne(name: str):
    """Runs of different length and width: what was learned of one must not break the next."""
    strategy = STRATEGIES[name](Random(1))
    for width in (1, 8, 3, 8, 2):
        crowd = [line(task, task, (task % 2, task % 3 == 0)) for task in range(2, 2 + width)]
        for ran in runs(crowd, strategy, 6):
            assert len(ran.schedule) == 1 + sum(range(2, 2 + width))


def test_only_the_systematic_ones_are_ever_exhausted():
    for name in sorted(set(LEARNING) - {"unseen"}):
        assert len(list(runs([line(2, 1), line(3, 1)], STRATEGIES[name](Random(1)), 30))) == 30
