"""What the sampling strategies promise: walk, PCT, URW, SURW, POS."""

from collections import Counter
from math import comb
from random import Random

from faultloop.deciders.looking import Strategy
from faultloop.deciders.pct import Pct
from faultloop.deciders.pos import Pos
from faultloop.deciders.surw import Surw
from faultloop.deciders.urw import Urw
from faultloop.deciders.walk import RandomWalk
from tests.deciders.bed import Do, Program, line, runs

CHI_SQUARE_19_LIMIT = 43.8
"""19 degrees of freedom exceed it once in a thousand; the seeds are fixed, so this never flickers."""


def orders(program: Program, strategy: Strategy, count: int) -> Counter[tuple[int, ...]]:
    return Counter(tuple(ran.schedule) for ran in runs(program, strategy, count))


def chi_square(counts: Counter[tuple[int, ...]], kinds: int) -> float:
    expected = counts.total() / kinds
    return sum((counts[kind] - expected) ** 2 for kind in counts) / expected + (kinds - len(counts)) * expected


def test_urw_is_uniform_over_the_interleavings_of_two_lines():
    strategy = Urw(Random(3))
    next(runs([line(2, 3), line(3, 3)], strategy, 1))  # learn the lengths
    counts = orders([line(2, 3), line(3, 3)], strategy, 4000)
    assert len(counts) == comb(6, 3)
    assert chi_square(counts, comb(6, 3)) < CHI_SQUARE_19_LIMIT


def test_a_random_walk_is_not():
    counts = orders([line(2, 3), line(3, 3)], RandomWalk(Random(3)), 4000)
    assert chi_square(counts, comb(6, 3)) > 10 * CHI_SQUARE_19_LIMIT


def test_urw_counts_the_steps_of_tasks_yet_to_be_made_for_their_maker():
    """Root with a child of 4 steps against a task of 1: the maker stands for its child until it is made."""
    strategy = Urw(Random(1))
    next(runs([line(2, 4), line(3, 1)], strategy, 1))
    assert strategy.lengths.tasks == [0, 1, 4, 1]
    assert strategy.lengths.families == [0, 6, 4, 1]


def test_pct_of_depth_1_finds_what_one_order_of_priorities_finds():
    """A task that must come last of five, to its end: one in five priorities."""
    program = [line(task, 3) for task in range(2, 7)]
    seeds = 400
    found = sum(next(runs(program, Pct(Random(seed), depth=1), 1)).schedule[-3:] == [4, 4, 4] for seed in range(seeds))
    assert found >= 0.8 * seeds / 5


def test_pct_of_depth_2_stops_a_task_within():
    """Task 2 must stop after its second step of four until task 3 is done: one change point."""
    program, wanted = [line(2, 4), line(3, 4)], [1, 2, 2, 3, 3, 3, 3, 2, 2]
    assert not any(ran.schedule == wanted for ran in runs(program, Pct(Random(1), depth=1), 200))
    steps, tasks, count = 9, 3, 600
    found = sum(ran.schedule == wanted for ran in runs(program, Pct(Random(1), depth=2), count))
    assert found >= count / (tasks * steps)


def test_surw_never_repeats_an_order_before_all_were_seen():
    """Two tasks write three times each among twelve steps of noise: twenty orders, and one run to learn from."""
    noise = [line(task, 6) for task in (4, 5)]
    program: Program = [line(2, 3, (7, True)), line(3, 3, (7, True)), *noise]
    strategy = Surw(Random(2))
    seen = [tuple(task for task in ran.schedule if task in (2, 3)) for ran in runs(program, strategy, 40)]
    assert len(set(seen)) == 20
    first = next(place for place in range(len(seen)) if len(set(seen[: place + 1])) == 20)
    assert first < 20 + 8  # orders are kept from the eighth run on


def test_surw_bears_a_task_that_always_comes_last():
    program: Program = [
        [*line(2, 3, (7, True)), Do(1, sets="two")],
        [Do(2, needs="two"), Do(3, touches=((7, False),))],
        line(4, 3, (7, True)),
    ]
    assert len(orders(program, Surw(Random(2)), 300)) > 40


def test_pos_draws_again_only_for_those_in_conflict():
    """With footprints known, each of the classes of two conflicting pairs is met about as often."""
    program: Program = [line(2, 1, (1, True)), line(3, 1, (1, True)), line(4, 1, (2, True)), line(5, 1, (2, True))]
    counts = Counter(
        (ran.schedule.index(2) < ran.schedule.index(3), ran.schedule.index(4) < ran.schedule.index(5))
        for ran in runs(program, Pos(Random(1)), 2000)
    )
    assert min(counts.values()) > 440
