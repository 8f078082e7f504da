"""Text of programs as files can hold it, and numbers as people say them."""

import pytest

from faultloop.model.text import counted, plural, storable


@pytest.mark.parametrize("text", ["", "plain", "schön", "日本", "🙂"])
def test_text_that_is_unicode_is_stored_as_it_is(text: str):
    assert storable(text) == text


def test_half_a_surrogate_pair_is_stored_as_its_escape():
    assert storable("a\udcffé\ud83d") == r"a\udcffé\ud83d"


@pytest.mark.parametrize(
    ("number", "noun", "said"),
    [
        (0, "run", "0 runs"),
        (1, "run", "1 run"),
        (2, "run", "2 runs"),
        (1, "class", "1 class"),
        (1_200, "class", "1,200 classes"),
        (1, "await point", "1 await point"),
    ],
)
def test_a_number_and_its_noun_agree(number: int, noun: str, said: str):
    assert counted(number, noun) == said
    assert said.endswith(plural(noun, number))
