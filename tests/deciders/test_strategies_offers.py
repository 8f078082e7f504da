"""What strategies promise when a pick offers only some of the ready tasks: those of a turn, or by a rule of its own."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultloop.deciders.dfs import Dfs
from faultloop.deciders.looking import Offers, Strategy
from faultloop.deciders.strategies import STRATEGIES, SYSTEMATIC, strategy
from tests.deciders.bed import MIXED, READ, WRITE, Do, Program, classes_of, line, runs

FLAGS = {"go": 100, "stop": 101}
"""A flag is touched by who sets it and by who waited for it, as a primitive is."""


@st.composite
def steps(draw: st.DrawFn) -> Do:
    touches = [(number, draw(st.booleans())) for number in draw(st.lists(st.sampled_from([1, 2]), max_size=2))]
    kind = draw(st.sampled_from(["plain", "plain", "plain", "sets", "needs"]))
    flag = draw(st.sampled_from(sorted(FLAGS)))
    if kind != "plain":
        touches.append((FLAGS[flag], True))
    site = draw(st.integers(1, 6))
    return Do(site, tuple(touches), sets=flag if kind == "sets" else "", needs=flag if kind == "needs" else "")


PROGRAMS = st.one_of(
    st.lists(st.lists(steps(), min_size=1, max_size=3), min_size=2, max_size=2),
    st.lists(st.lists(steps(), min_size=1, max_size=2), min_size=3, max_size=3),
)


def told(name: str, seed: int, offers: Offers) -> Strategy:
    return strategy(name, Random(seed), sees_all=True, offers=offers)


@pytest.mark.parametrize("offers", ["turn", "some"])
@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_every_answer_is_an_option_and_every_step_runs(name: str, offers: Offers):
    for ran in runs(MIXED, told(name, 1, offers), 60, offers=offers):
        assert sorted(ran.schedule) == [1, 2, 2, 2, 3, 3, 4, 4, 5, 5, 6]


@pytest.mark.parametrize("name", ["auto", "dfs-sleep", "unseen"])
@pytest.mark.parametrize("offers", ["all", "turn", "some"])
@settings(max_examples=20, deadline=None)
@given(program=PROGRAMS, seed=st.integers(0, 99))
def test_exhausted_means_every_class_that_the_offers_lead_to(name: str, offers: Offers, program: Program, seed: int):
    every = [classes_of(ran) for ran in runs(program, Dfs(), 5_000, offers=offers)]
    search = told(name, seed, offers)
    seen = [classes_of(ran) for ran in runs(program, search, 3 * len(every) + 300, offers=offers)]
    assert search.is_exhausted
    assert set(seen) == set(every)


def test_under_a_rule_of_its_own_what_happened_does_not_tell_what_is_offered():
    """Why strategies are told: taken for «all», such offers would end a search too soon."""
    missed = 0
    for seed in range(12):
        random = Random(seed)
        program = [line(task, 2, random.choice([READ, WRITE])) for task in (2, 3, 4)]
        program[0][0] = Do(200)
        every, misled, led = (
            {classes_of(ran) for ran in runs(program, search, 5_000, offers="some")}
            for search in (Dfs(), told("unseen", seed, "all"), told("unseen", seed, "some"))
        )
        assert led == every
        missed += misled != every
    assert missed


@pytest.mark.parametrize("name", sorted(set(STRATEGIES) - SYSTEMATIC - {"pct1", "pct2", "pct3"}))
@pytest.mark.parametrize("offers", ["turn", "some"])
def test_nothing_that_is_offered_is_out_of_reach(name: str, offers: Offers):
    program: Program = [line(2, 2, WRITE), line(3, 2, READ), [Do(9, needs="go"), Do(10, (WRITE,))], [Do(11, sets="go")]]
    every = {classes_of(ran) for ran in runs(program, Dfs(), 5_000, offers=offers)}
    seen = {classes_of(ran) for ran in runs(program, told(name, 3, offers), 1_000, offers=offers)}
    assert seen == every
