"""Whether a database holds a queue, for commands that must not make one by looking for it."""

from __future__ import annotations

import psycopg
from anyio.to_thread import run_sync

from aqueue.errors import NoStore, SchemaMismatch
from aqueue.store.group import unanswered
from aqueue.store.postgres import PostgresStore
from aqueue.store.postgres_schema import SCHEMA_VERSION, version_of

__all__ = ["assert_holds_queue"]


async def assert_holds_queue(store: PostgresStore) -> None:
    """Raise NoStore, SchemaMismatch or StoreUnavailable unless its tables are there, of this version.

    Cancelled here: nobody waits for the answer, and what is open is closed once it comes.
    """
    version = await run_sync(_version, store, abandon_on_cancel=True)
    if version is None:
        raise NoStore(
            "the database holds no queue where the connection's search_path leads",
            expected="a database with the tables of a queue",
            advice="correct the URL; a worker or an enqueuer makes the tables, looking for them does not",
        )
    if version != SCHEMA_VERSION:
        raise SchemaMismatch(
            f"the queue of the database is of version {version}",
            expected=f"version {SCHEMA_VERSION}",
            advice="start a worker on it once, which brings it to this version; nothing was changed",
        )


def _version(store: PostgresStore) -> int | None:
    try:
        connection = store.connect()
        try:
            return version_of(connection)
        finally:
            connection.close()
    except psycopg.Error as error:
        raise unanswered(" ".join(str(error).split()).rstrip("?.")) from error
