"""Orders for deciders that look: what they answer is what the plain order of that level would have been answered."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faultloop.deciders.calm import Calm
from faultloop.deciders.replay import Replay
from faultloop.drivers.looking import looking_order
from faultloop.drivers.ready import Entry, ReadyQueue, is_callback, ordering_for
from faultloop.engine.choices import RecordedChoices
from faultloop.model.trace import Order
from tests.drivers.test_ready import PROPERTY, batches, keep_nothing, numbers, push, run_through

LEVELS: tuple[tuple[Order, int | None], ...] = (("batch", 2), ("any", 2), ("any", 1), ("any", None))
each_level = pytest.mark.parametrize(("order", "hold"), LEVELS)


@each_level
@PROPERTY
@given(batches, st.integers())
def test_what_was_answered_replays_without_looking(order: Order, hold: int | None, batches: list[str], seed: int):
    """The answers kept while looking, given again to the plain order, give the same entries out."""
    queue, random, kept = ReadyQueue(), Random(seed), RecordedChoices(Calm())
    looked = run_through(
        queue, looking_order(order, queue, lambda ready: random.randrange(len(ready)), kept.keep, hold=hold), batches
    )
    queue, answers = ReadyQueue(), Replay(kept.recorded())
    again = run_through(queue, ordering_for(order, queue, answers.choose, hold), batches)
    assert again == looked
    assert answers.misfit is None


@pytest.mark.parametrize(("order", "hold"), LEVELS[:3])
@PROPERTY
@given(batches)
def test_the_oldest_everywhere_is_asyncios_own_order(order: Order, hold: int | None, batches: list[str]):
    queue, kept = ReadyQueue(), RecordedChoices(Calm())
    looked = run_through(queue, looking_order(order, queue, lambda ready: 0, kept.keep, hold=hold), batches)
    queue = ReadyQueue()
    assert looked == run_through(queue, ordering_for("fifo", queue, None, None), batches)
    assert kept.recorded().picks == ()


@pytest.mark.parametrize(
    ("order", "hold", "out", "shown"),
    [
        ("any", None, [2, 3, 1, 0], [[0, 1, 3], [0, 1]]),
        ("any", 2, [2, 3, 1, 0], [[0, 1, 3], [0, 1]]),
        ("batch", 2, [2, 3, 1, 0], [[0, 1, 3], [0, 1]]),
    ],
)
def test_looking_sees_the_oldest_first_and_never_a_callback(
    order: Order, hold: int | None, out: list[int], shown: list[list[int]]
):
    queue = ReadyQueue()
    push(queue, "sscs")
    seen: list[list[int]] = []

    def look(ready: list[Entry]) -> int:
        assert not any(map(is_callback, ready))
        seen.append([number for _, _, number in ready])
        return len(ready) - 1

    assert numbers(looking_order(order, queue, look, keep_nothing, hold=hold).turn()) == out
    assert seen == shown


def test_a_callback_goes_early_only_for_a_step_that_stands_behind_it():
    queue = ReadyQueue()
    push(queue, "sscs")
    assert numbers(looking_order("batch", queue, lambda ready: 1, keep_nothing, hold=2).turn()) == [1, 2, 3, 0]
    push(queue, "sscs")
    assert numbers(looking_order("batch", queue, lambda ready: 0, keep_nothing, hold=2).turn()) == [0, 1, 2, 3]
