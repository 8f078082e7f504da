"""Keeping answers: only what is not calm takes room."""

import pytest

from faultloop.deciders.calm import Calm
from faultloop.deciders.replay import Replay
from faultloop.engine.choices import RecordedChoices
from faultloop.model.trace import Choices


class Script:
    """Gives the answers it was made with."""

    def __init__(self, *answers: int) -> None:
        self._answers = iter(answers)

    def choose(self, options: int, /) -> int:
        return next(self._answers)


def test_calm_answers_are_counted_and_not_kept():
    kept = RecordedChoices(Calm())
    assert [kept.choose(n) for n in (2, 3, 4)] == [0, 0, 0]
    assert kept.recorded() == Choices(count=3)


def test_other_answers_are_kept_with_their_place_and_their_options():
    kept = RecordedChoices(Script(0, 2, 1))
    for options in (2, 3, 2):
        kept.choose(options)
    assert kept.recorded() == Choices(count=3, picks=((1, 2, 3), (2, 1, 2)))


def test_what_was_kept_replays_to_the_same_answers():
    answers = (1, 0, 2, 0, 1)
    kept = RecordedChoices(Script(*answers))
    for _ in answers:
        kept.choose(3)
    again = RecordedChoices(Replay(kept.recorded()))
    assert tuple(again.choose(3) for _ in answers) == answers
    assert again.recorded() == kept.recorded()


@pytest.mark.parametrize("answer", [-1, 2])
def test_an_answer_out_of_range_is_the_deciders_mistake(answer: int):
    with pytest.raises(AssertionError):
        RecordedChoices(Script(answer)).choose(2)
