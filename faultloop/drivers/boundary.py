"""Where a run's world ends: one row for each API that reaches past the loop, written beside the code that does it.

`doctor --boundary` prints these rows. What is not done by code of ours (let through as it is) is stated by the module
that would have to do it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Fate = Literal["controlled", "inline", "through", "refused"]
FATES: dict[Fate, str] = {
    "controlled": "the run decides, and a replay decides the same",
    "inline": "runs on the loop's own thread, at a scheduled step",
    "through": "reaches the machine as it is, and may differ from run to run",
    "refused": "raises an error that names it",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One API, what a run makes of it, and how to have it otherwise.

    api: what the program calls.   how: in a few words.   change: what to write, or nothing where there is no choice.
    on: the driver whose runs this is about; empty for every driver.
    """

    api: str
    fate: Fate
    how: str
    change: str = ""
    on: str = ""


_rows: dict[str, Row] = {}


def declare(api: str, fate: Fate, how: str, change: str = "", *, on: str = "") -> Row:
    """Add a row. Of two about one API the later one counts."""
    row = _rows[api] = Row(api, fate, how, change, on)
    return row


def declared() -> tuple[Row, ...]:
    """All rows, by fate as FATES has them, then in the order in which they were declared."""
    order = tuple(FATES)
    return tuple(sorted(_rows.values(), key=lambda row: order.index(row.fate)))
