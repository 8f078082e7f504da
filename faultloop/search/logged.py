"""Lines that a program logs during a recorded run, kept in its trace beside the task that wrote them.

Only lines that a task of the run writes: what asyncio says of forgotten errors comes when the garbage collector finds
them, and would make equal runs differ.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Generator
from contextlib import contextmanager

from faultloop.world.notes import here, note

NOTE_MAX = 300
"""How many characters of a line are kept."""
_NOT_THE_PROGRAMS = ("asyncio", "trio", "faultloop")


@contextmanager
def lines_kept() -> Generator[None]:
    """Within, lines of `logging` are kept; levels and handlers are as the program set them.

    The place where a logger hands its lines to handlers is watched. A handler of ours would not do: `basicConfig` does
    nothing where there is one already, and a warning is no longer printed.
    """
    global _runs, _hand_over
    with _lock:
        if _runs == 0:
            _hand_over = logging.Logger.callHandlers
            logging.Logger.callHandlers = _keep_and_hand_over  # type: ignore[method-assign]
        _runs += 1
    try:
        yield
    finally:
        with _lock:
            _runs -= 1
            if _runs == 0:
                logging.Logger.callHandlers = _hand_over  # type: ignore[method-assign]


_lock = threading.Lock()
_runs = 0
"""How many runs keep lines now: they may go on in several threads, and end in any order."""
_hand_over = logging.Logger.callHandlers


def _keep_and_hand_over(self: logging.Logger, record: logging.LogRecord) -> None:
    _keep(record)
    _hand_over(self, record)


def _keep(record: logging.LogRecord) -> None:
    if record.name.partition(".")[0] in _NOT_THE_PROGRAMS:
        return
    place = here()
    if place is None or not place.task:
        return
    try:
        text = record.getMessage()
    except Exception:  # a line whose arguments do not fit: logging itself tells of it
        return
    note(f"{record.levelname.lower()}: {record.name}: {text}"[:NOTE_MAX])
