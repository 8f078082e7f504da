"""The schema of a SQLite file: made in an empty one, migrated in an older one, refused in a newer or strange one.

Rule 1: a version is reached in one transaction; interrupted anywhere, the file is what it was.
Rule 2: user_version belongs to the application that shares the file. Only version 1 kept its number there.
"""

from __future__ import annotations

import sqlite3
from importlib.resources import files
from typing import Final

from aqueue.errors import SchemaMismatch

__all__ = ["SCHEMA_VERSION", "create_schema", "version_of"]

SCHEMA_VERSION: Final = 5


def create_schema(connection: sqlite3.Connection) -> None:
    """Create the tables, or bring them to this version. Raises SchemaMismatch. connection: in autocommit mode."""
    if version_of(connection) == SCHEMA_VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = version_of(connection)  # again, now that nobody else can be at it
        if version is None:
            _run(connection, "schema.sql")
        else:
            for target in range(version + 1, SCHEMA_VERSION + 1):
                _run(connection, f"migrations/{target}.sql")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def version_of(connection: sqlite3.Connection) -> int | None:
    """The version of the tables, None if there are none. Raises SchemaMismatch if they are newer, or not ours."""
    tables = {
        name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE name LIKE 'aq\\_%' ESCAPE '\\'")
    }
    if not tables:
        return None
    if "aq_meta" in tables:
        row = connection.execute("SELECT value FROM aq_meta WHERE key='schema'").fetchone()
        version = None if row is None else row[0]
    else:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        version = 1 if version == 1 and {"aq_job", "aq_event", "aq_effect"} <= tables else None
    if isinstance(version, int) and 1 <= version <= SCHEMA_VERSION:
        return version
    raise SchemaMismatch(
        f"the database has tables called aq_…, of {f'version {version}' if version else 'no known version'}",
        expected=f"version 1 to {SCHEMA_VERSION}, or no such tables",
        advice="use the version of aqueue that wrote it, or another file; nothing was changed",
    )


def _run(connection: sqlite3.Connection, name: str) -> None:
    """Run a script statement by statement: executescript would commit first."""
    statement = ""
    for line in files("aqueue.store.sqlite").joinpath(name).read_text(encoding="utf-8").splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""
    assert not statement.strip(), statement
