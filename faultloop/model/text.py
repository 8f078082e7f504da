"""Text of programs as files can hold it, and numbers as people say them."""

from __future__ import annotations


def storable(text: str) -> str:
    """Text that UTF-8 can write: half a surrogate pair becomes the escape that Python shows of it."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def counted(number: int, noun: str) -> str:
    """How many of something, as people write it.

    >>> counted(1, "step"), counted(0, "run"), counted(1_200, "class")
    ('1 step', '0 runs', '1,200 classes')
    """
    return f"{number:,} {plural(noun, number)}"


def plural(noun: str, number: int) -> str:
    """A noun as it stands behind a number: its regular plural, but for 1."""
    if number == 1:
        return noun
    return f"{noun}es" if noun.endswith("s") else f"{noun}s"
