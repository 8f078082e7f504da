"""Lines of the log that wait to be written to SQLite together."""

from __future__ import annotations

import sqlite3
from typing import Final, TypeAlias

__all__ = ["INSERT_EVENT", "EventLog", "Line"]

Line: TypeAlias = "tuple[object, ...]"
"""The values of an event, its job first (columns.event_values)."""

# By number of rows: one statement for many costs half of what one for each does. OR FAIL: as in moving.py.
_INSERT: Final = "INSERT OR FAIL INTO aq_event(job_id,at,kind,attempt,worker,detail) VALUES"
_INSERTS: Final = {count: _INSERT + ",".join(["(?,?,?,?,?,?)"] * count) for count in (64, 16, 4, 2, 1)}
INSERT_EVENT: Final = _INSERTS[1]


class EventLog:
    """The log, inside one transaction. Lines that wait are due before anything reads it, and before the commit."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Nothing waits yet."""
        self._connection = connection
        self.waiting: list[Line] = []

    def write(self) -> None:
        """Write what waits, in order."""
        if not self.waiting:
            return
        lines, self.waiting = self.waiting, []
        done = 0
        for count, sql in _INSERTS.items():
            while len(lines) - done >= count:
                self._connection.execute(sql, [value for line in lines[done : done + count] for value in line])
                done += count

    def drop(self) -> None:
        """Forget what waits: what it tells of is undone."""
        self.waiting.clear()
