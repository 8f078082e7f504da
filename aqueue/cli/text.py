"""Text for people: aligned tables, times, and strings from a store that must not move the cursor. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime

__all__ = ["clean", "for_encoding", "moment", "span", "table"]

_SPANS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000))


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Columns aligned to the left, those of numbers (and of nothing, "") to the right, with two spaces between them."""
    cells = [[clean(cell, 80) for cell in row] for row in rows]
    columns = [[row[place] for row in rows if row[place] != ""] for place in range(len(head))]
    right = [bool(column) and all(isinstance(value, int) for value in column) for column in columns]
    widths = [max(map(_width, column)) for column in zip(head, *cells, strict=True)]
    lines: list[str] = []
    for line in (list(head), *cells):
        padded = [
            " " * (width - _width(cell)) + cell if is_right else cell + " " * (width - _width(cell))
            for cell, width, is_right in zip(line, widths, right, strict=True)
        ]
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)


def clean(value: object, limit: int) -> str:
    """A value on one line, printable, and not longer than limit. None: a dash."""
    if value is None:
        return "–"
    text = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in str(value)[: limit + 1])
    return text if len(text) <= limit else text[: limit - 1] + "…"


def span(ms: int) -> str:
    """A stretch of time, with its two largest units: 1h 5m."""
    left, parts = abs(ms), list[str]()
    for unit, size in _SPANS:
        if left >= size and len(parts) < 2:
            parts.append(f"{left // size}{unit}")
            left %= size
    return ("-" if ms < 0 else "") + (" ".join(parts) or f"{left}ms")


def moment(at: int | None, now: int) -> str:
    """A time, seen from now and on the calendar: `3m 2s ago (2026-05-01 00:00:00Z)`."""
    if at is None:
        return "–"
    seen = "now" if at == now else f"{span(now - at)} ago" if at < now else f"in {span(at - now)}"
    try:
        return f"{seen} ({datetime.fromtimestamp(at // 1000, tz=UTC):%Y-%m-%d %H:%M:%S}Z)"
    except (ValueError, OverflowError, OSError):  # no calendar goes that far
        return seen


def for_encoding(text: str, encoding: str | None) -> str:
    """The text, with what the stream cannot write escaped."""
    return text.encode(encoding or "utf-8", "backslashreplace").decode(encoding or "utf-8")


def _width(text: str) -> int:
    return sum(
        2 if unicodedata.east_asian_width(letter) in "WF" else not unicodedata.combining(letter) for letter in text
    )
