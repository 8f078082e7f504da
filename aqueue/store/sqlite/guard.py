"""What a statement of the user may do inside a transaction of the store: write rows of the user's tables, nothing else.

SQLite itself is asked, statement by statement, by its authorizer. Ending the transaction, changing the connection, and
touching the queue's own tables are refused before anything runs.
Source: https://www.sqlite.org/c3ref/set_authorizer.html
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

__all__ = ["is_fault_of_statement", "only_writing_user_tables"]

_ROWS: Final = frozenset({sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE, sqlite3.SQLITE_READ})
_HARMLESS: Final = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE})
_FAULTS_OF_THE_STORE: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOTADB,
    }
)  # fmt: skip


def is_fault_of_statement(error: sqlite3.Error) -> bool:
    """Whether another statement would fare better: not if the disk, the lock or the file is the trouble."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF not in _FAULTS_OF_THE_STORE


@contextmanager
def only_writing_user_tables(connection: sqlite3.Connection) -> Generator[list[str]]:
    """Refuse whatever else is prepared inside; the list says what was refused, and why."""
    problems: list[str] = []

    def authorize(action: int, first: str | None, second: str | None, *_: str | None) -> int:
        if action in _HARMLESS:
            return sqlite3.SQLITE_OK
        if action in _ROWS and first is not None and not first.lower().startswith(("aq_", "sqlite_")):
            return sqlite3.SQLITE_OK
        if action in _ROWS:
            problems.append(f"it may not touch {first}")
        else:
            problems.append(f"it may only write rows (SQLite calls this action {action} {first or ''} {second or ''})")
        return sqlite3.SQLITE_DENY

    connection.set_authorizer(authorize)
    try:
        yield problems
    finally:
        connection.set_authorizer(None)
