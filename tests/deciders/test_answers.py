"""Deciders that answer without looking: calm, uniform, replay."""

from collections import Counter

import pytest

from faultloop.deciders.calm import Calm
from faultloop.deciders.replay import Replay
from faultloop.deciders.uniform import CHUNK, Uniform
from faultloop.model.trace import Choices

FIRST_ANSWERS_OF_SEED_0 = [0, 8, 4, 3, 2, 7, 0, 8, 5, 4, 1, 0]


def test_calm_is_always_the_oldest():
    assert [Calm().choose(n) for n in range(2, 100)] == [0] * 98


@pytest.mark.parametrize("options", [2, 3, 7, 1_000, 1_001])
def test_uniform_answers_are_in_range(options: int):
    choose = Uniform(1).choose
    assert all(0 <= choose(options) < options for _ in range(5_000))


def test_the_same_seed_gives_the_same_answers_beyond_the_first_chunk():
    one, two = Uniform(7), Uniform(7)
    assert [one.choose(5) for _ in range(2 * CHUNK)] == [two.choose(5) for _ in range(2 * CHUNK)]


def test_a_seeds_answers_are_the_same_on_every_platform_and_version():
    # Written down once: a saved seed must mean the same run for ever.
    choose = Uniform(0).choose
    assert [choose(10) for _ in range(12)] == FIRST_ANSWERS_OF_SEED_0


def test_other_seeds_give_other_answers():
    deciders = [Uniform(seed) for seed in range(50)]
    assert len({tuple(decider.choose(4) for _ in range(20)) for decider in deciders}) == 50


@pytest.mark.parametrize("options", [2, 3, 10, 1_000])
def test_uniform_is_nearly_uniform(options: int):
    draws = 200 * options
    choose = Uniform(42).choose
    counts = Counter(choose(options) for _ in range(draws))
    chi_squared = sum((counts[i] - 200) ** 2 / 200 for i in range(options))
    # The mean of chi squared is its degrees of freedom, its deviation the root of twice that: five of them are allowed.
    assert abs(chi_squared - (options - 1)) < 5 * (2 * (options - 1)) ** 0.5 + 5


def test_replay_gives_the_picks_at_their_places_and_is_calm_elsewhere():
    decider = Replay(Choices(count=5, picks=((1, 2, 3), (4, 1, 2))))
    assert [decider.choose(n) for n in (2, 3, 2, 4, 2)] == [0, 2, 0, 0, 1]
    assert decider.misfit is None


def test_replay_is_calm_past_the_end():
    decider = Replay(Choices(count=1, picks=((0, 1, 2),)))
    assert [decider.choose(2) for _ in range(3)] == [1, 0, 0]
    assert decider.misfit is None


def test_a_question_with_other_options_is_a_misfit_and_calm_from_there_on():
    decider = Replay(Choices(count=3, picks=((0, 1, 2), (1, 2, 3), (2, 1, 2))))
    assert [decider.choose(n) for n in (2, 5, 2)] == [1, 0, 0]
    assert decider.misfit == (1, 3, 5)
