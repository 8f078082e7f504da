"""What strategies learned about a program, kept in a file between explorations.

Rule 1: a file that cannot be used is no reason not to explore: it is begun anew.
Rule 2: tables are put together with what is there by then, so that explorations side by side lose nothing of note.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from faultloop.deciders.learned import Saved, put_together
from faultloop.search.tracefile import write_atomically

VERSION = 1


class _File(msgspec.Struct, frozen=True):
    format: str
    version: int
    learned: Saved


FORMAT = "faultloop-learned"


def recall(path: str | os.PathLike[str]) -> Saved | None:
    """What was learned before; None if there is nothing that can be used."""
    try:
        kept = msgspec.json.decode(Path(path).read_bytes(), type=_File)
    except (OSError, ValueError, msgspec.DecodeError, RecursionError):
        return None
    return kept.learned if (kept.format, kept.version) == (FORMAT, VERSION) else None


def remember(path: str | os.PathLike[str], learned: Saved) -> None:
    """Put what was learned together with what is there. Raises TraceError (FL110) if it cannot be written."""
    before = recall(path)
    kept = learned if before is None else put_together([before, learned])
    write_atomically(os.fspath(path), msgspec.json.encode(_File(FORMAT, VERSION, kept)) + b"\n")
