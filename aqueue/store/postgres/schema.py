"""The schema of a PostgreSQL database: made where there is none, migrated where it is older, refused if newer.

It goes into the first schema of the connection's search_path, and is found wherever that path finds it.
Rule 1: a version is reached in one transaction, by one process at a time; interrupted, the database is what it was.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from typing import Any, Final

from psycopg import Connection

from aqueue.errors import SchemaMismatch

__all__ = ["SCHEMA_VERSION", "create_schema", "identity_of", "version_of"]

SCHEMA_VERSION: Final = 3
# Held while the schema is made, by whoever makes it; the number is arbitrary and stays.
_MAKING: Final = "SELECT pg_advisory_xact_lock(7020261019)"

# One look at both, at the catalog itself: to_regclass may answer from before a lock was waited for.
_TABLES: Final = (
    "SELECT relname FROM pg_class WHERE relname IN('aq_job','aq_meta') AND relkind='r' AND pg_table_is_visible(oid)"
)


def _text(name: str) -> bytes:
    return files("aqueue.store.postgres").joinpath(name).read_bytes()


def create_schema(
    connection: Connection[Any], *, version: int = SCHEMA_VERSION, text: Callable[[str], bytes] = _text
) -> None:
    """Create the tables, or bring them to this version. Raises SchemaMismatch. connection: in autocommit mode.

    text: reads a script by its name: that of the schema, or of the way from one version to the next.
    """
    if version_of(connection, newest=version) == version:
        return
    with connection.transaction():
        connection.execute(_MAKING)
        found = version_of(connection, newest=version)  # again, now that nobody else can be at it
        if found is None:
            connection.execute(text("schema.sql"))
        else:
            for target in range(found + 1, version + 1):
                connection.execute(text(f"migrations/{target}.sql"))


def version_of(connection: Connection[Any], *, newest: int = SCHEMA_VERSION) -> int | None:
    """The version of the tables, None if there are none. Raises SchemaMismatch if they are newer, or not ours."""
    tables = {name for (name,) in connection.execute(_TABLES)}
    if not tables:
        return None
    version = None
    if "aq_meta" in tables:
        row = connection.execute("SELECT value FROM aq_meta WHERE key='schema'").fetchone()
        version = None if row is None else int(row[0])
    if version is not None and 1 <= version <= newest:
        return version
    raise SchemaMismatch(
        f"the database has tables called aq_…, of {f'version {version}' if version else 'no known version'}",
        expected=f"version 1 to {newest}, or no such tables",
        advice="use the version of aqueue that wrote it, or another database or schema; nothing was changed",
    )


def identity_of(connection: Connection[Any]) -> int:
    """The number that these tables were given when they were made."""
    row = connection.execute("SELECT value FROM aq_meta WHERE key='store'").fetchone()
    assert row is not None
    return int(row[0])
