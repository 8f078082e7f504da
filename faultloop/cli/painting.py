"""Colour for what people read on a terminal. The text is the report's own, to the letter; only its looks change.

Only a terminal is painted, and only where rich is installed: not a file, not a pipe, not where NO_COLOR is set.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TextIO

_STYLES = tuple(
    (re.compile(pattern, re.MULTILINE), style)
    for pattern, style in (
        (r"^  ([a-z]+(?: [a-z]+)?)(?= {2,}\S)", "bold"),
        (r"^( +step +virtual\b.*)$", "bold"),
        (r"(── .* ──)", "dim"),
        (r"(✗ .*)$", "bold red"),
        (r"^  (?:broke|outcome) +(violated\S*|[A-Z]\w+(?:\.\w+)*)", "bold red"),
        (r"\b(wake-up held back\b.*)$", "yellow"),
        (r"(?<= )(\(?[^\s(]+\.py:\d+\)?)", "cyan"),
        (r"\b(note: .*)$", "green"),
    )
)
"""What is found in a report's lines, and how it looks there."""


def painted(text: str, stream: TextIO, environment: Mapping[str, str] = os.environ) -> str:
    """The text with a terminal's colours, if the stream is one that shows them."""
    if environment.get("NO_COLOR") or not is_terminal(stream):
        return text
    try:
        from rich.console import Console
        from rich.text import Text
    except ImportError:
        return text
    console = Console(file=stream, _environ=environment)
    if console.is_dumb_terminal or console.color_system is None:
        return text
    shown = Text(text, end="")
    for pattern, style in _STYLES:
        for found in pattern.finditer(text):
            shown.stylize(style, *found.span(1))
    with console.capture() as captured:
        console.print(shown, soft_wrap=True, end="")
    return captured.get()


def is_terminal(stream: TextIO) -> bool:
    """Whether a person looks at this stream."""
    try:
        return stream.isatty()
    except (AttributeError, ValueError):  # no stream at all, or a closed one
        return False
