"""Text of programs as files can hold it, and numbers as people say them."""

from __future__ import annotations


def storable(text: str) -> str:
    """Text that UTF-8 can write: half a surrogate pair becomes the escape that Python shows of it."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")
