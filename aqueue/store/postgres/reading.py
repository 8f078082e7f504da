"""Looking at a PostgreSQL database without touching it: what a command that only reads is given.

Rule 1: nothing is made, migrated, written or locked, so that a role that may only SELECT can look, also at a standby,
        and no worker passes over a job because somebody looks at it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from random import Random

import psycopg
from anyio.to_thread import run_sync

from aqueue.clock import Clock
from aqueue.errors import NoStore, SchemaMismatch
from aqueue.store.group import GroupSession, grouped, unanswered
from aqueue.store.postgres.schema import SCHEMA_VERSION, version_of
from aqueue.store.postgres.store import PostgresDatabase, PostgresStore, server_time_or

__all__ = ["PostgresReading"]


class PostgresReading:
    """The database of a queue, to be read."""

    def __init__(self, store: PostgresStore) -> None:
        """Name the database."""
        self._store = store

    @asynccontextmanager
    async def open(self, *, clock: Clock, random: Random) -> AsyncGenerator[GroupSession]:
        """Open for the life of the context. Raises NoStore, SchemaMismatch, StoreUnavailable.

        Operations that write raise StoreUnavailable, and nothing happens.
        """
        await _assert_holds_queue(self._store)
        database = PostgresDatabase(self._store.connect, fixed_now=server_time_or(clock), reads_only=True)
        async with grouped(database, clock=clock, random=random) as session:
            yield session


async def _assert_holds_queue(store: PostgresStore) -> None:
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
