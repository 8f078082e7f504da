"""The odometer gives every sequence of answers once, and knows when it is over."""

from hypothesis import given
from hypothesis import strategies as st

from faultloop.deciders.odometer import Odometer
from tests.model.strategies import PROPERTY

Tree = list["Tree"]
"""A question is a list of what comes after each of its options; an empty list is the end."""

trees = st.recursive(st.just([]), lambda inner: st.lists(inner, min_size=1, max_size=3), max_leaves=12)


def walk(odometer: Odometer, tree: Tree) -> tuple[int, ...]:
    answers: list[int] = []
    while tree:
        answers.append(odometer.choose(len(tree)) if len(tree) > 1 else 0)
        tree = tree[answers[-1]]
    return tuple(answers)


def leaves(tree: Tree) -> set[tuple[int, ...]]:
    if not tree:
        return {()}
    return {(answer, *rest) for answer, after in enumerate(tree) for rest in leaves(after)}


@PROPERTY
@given(trees)
def test_every_sequence_of_answers_is_given_exactly_once(tree: Tree):
    seen: list[tuple[int, ...]] = []
    following: tuple[int, ...] | None = ()
    while following is not None:
        odometer = Odometer(following)
        seen.append(walk(odometer, tree))
        following = odometer.following()
    assert len(seen) == len(set(seen))
    assert set(seen) == leaves(tree)
    assert seen[0] == min(leaves(tree))


def test_it_guesses_from_one_run_how_many_there_are():
    odometer = Odometer()
    for options in (2, 3, 4):
        odometer.choose(options)
    assert odometer.ways == 24
    assert Odometer().ways == 1


def test_a_question_with_fewer_options_than_last_time_gets_the_last_of_them():
    assert Odometer((5,)).choose(3) == 2
