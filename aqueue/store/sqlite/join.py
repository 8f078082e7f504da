"""Enqueueing in a transaction of the user's own: their connection, their commit, our rows."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager

from aqueue.errors import BadOption
from aqueue.store.sqlite.schema import SCHEMA_VERSION, version_of
from aqueue.store.sqlite.tables import SqliteTables

__all__ = ["joined"]


@contextmanager
def joined(path: str, connection: object) -> Generator[SqliteTables]:
    """The tables on the user's connection, whose transaction has begun. Raises BadOption."""
    if not isinstance(connection, sqlite3.Connection):
        raise _unfit(f"{connection!r} is no sqlite3.Connection", "an open connection to the queue's file")
    try:
        opened = next(row[2] for row in connection.execute("PRAGMA database_list") if row[1] == "main")
        is_ours = bool(opened) and os.path.samefile(opened, path)
    except (OSError, sqlite3.ProgrammingError) as error:
        raise _unfit(f"tx={connection!r}: {error}", "an open connection to the queue's file") from error
    if not is_ours:
        raise _unfit(f"tx= is a connection to {opened or 'memory'!r}", f"one to {path!r}, where the queue is")
    if version_of(connection) != SCHEMA_VERSION:
        raise _unfit(f"{path!r} is not set up for this version", "a file that the queue has opened before")
    if not connection.in_transaction:
        if connection.isolation_level is None:
            raise _unfit("tx= is in no transaction", 'connection.execute("BEGIN IMMEDIATE") before')
        # What sqlite3 itself does before the first INSERT; a savepoint would be committed by its release.
        connection.execute("BEGIN IMMEDIATE")
    row_factory, connection.row_factory = connection.row_factory, None
    text_factory, connection.text_factory = connection.text_factory, str
    connection.execute("SAVEPOINT aqueue")
    try:
        tables = SqliteTables(connection)
        yield tables
        tables.write_events()
    except BaseException:
        connection.execute("ROLLBACK TO aqueue")
        raise
    finally:
        connection.execute("RELEASE aqueue")
        connection.row_factory, connection.text_factory = row_factory, text_factory


def _unfit(happened: str, expected: str) -> BadOption:
    return BadOption(happened, expected=expected, advice="open one with sqlite3.connect and begin a transaction")
