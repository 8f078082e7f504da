"""What SQLite's errors mean to whoever runs the program: is it a lock, and what is there to do. Pure."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Final

__all__ = ["PERMISSIONS", "advice_for", "is_locked", "is_unreachable", "primary_code"]

PERMISSIONS: Final = (
    "have the file, and the folder it is in, writable for the user that runs this: SQLite keeps two files beside it"
)
_ADVICE: Final[Mapping[int, str]] = {
    sqlite3.SQLITE_READONLY: PERMISSIONS,
    sqlite3.SQLITE_PERM: PERMISSIONS,
    sqlite3.SQLITE_CANTOPEN: f"see that the folder is there; {PERMISSIONS}",
    sqlite3.SQLITE_FULL: "make room on its disk; what was acknowledged is stored, and repeating the operation is safe",
    sqlite3.SQLITE_CORRUPT: "keep a copy, then restore a backup or use sqlite3 .recover",
    sqlite3.SQLITE_NOTADB: "correct the URL if it names another program's file; if it is damaged, restore a backup",
    sqlite3.SQLITE_IOERR: "look at the disk, and at what the system's log says of it; repeating the operation is safe",
}


def primary_code(error: sqlite3.Error) -> int:
    """The low byte of the code: SQLITE_BUSY_RECOVERY is SQLITE_BUSY. 0 for an error that is not the library's."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF


def is_locked(error: sqlite3.Error) -> bool:
    """Whether another connection is in the way: nothing has happened, and in a moment it may."""
    return primary_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def is_unreachable(error: sqlite3.Error) -> bool:
    """Whether the file, or what SQLite keeps beside it, cannot be opened or written."""
    return primary_code(error) in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM)


def advice_for(error: sqlite3.Error) -> str | None:
    """What to do, where there is more to say than to try again."""
    return _ADVICE.get(primary_code(error))
