"""Looking at a SQLite file without touching it: what a command that only reads is given instead of a SqliteStore.

Rule 1: nothing is made, migrated or written. A file that is not there, or holds no queue, is said to be so.
Rule 2: whatever is in the file, the answer is a reply or an error of ours: bytes that a disk damaged come back as
        values that no operation expects, and that is the file's fault.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final, TypeVar

import anyio
from anyio.to_thread import run_sync

from aqueue.clock import Clock
from aqueue.errors import AQueueError, NoStore, SchemaMismatch, StoreUnavailable
from aqueue.store.base import Answer
from aqueue.store.operations import Operation
from aqueue.store.sqlite_schema import SCHEMA_VERSION, version_of
from aqueue.store.sqlite_tables import SqliteTables

__all__ = ["SqliteReading"]

R = TypeVar("R")
LOCKED_TRIES: Final = 60
LOCKED_PAUSE_SECONDS: Final = 0.1


class SqliteReading:
    """A SQLite file of a queue, to be read."""

    def __init__(self, path: str) -> None:
        """Name the file."""
        self._path = path

    @asynccontextmanager
    async def open(self, *, clock: Clock, random: Random) -> AsyncGenerator[ReadingSession]:
        """Open for the life of the context. Raises NoStore, SchemaMismatch, StoreUnavailable."""
        session = ReadingSession(self._path, clock, random)
        try:
            await session.begin()
            yield session
        finally:
            await session.end()


class ReadingSession:
    """An open SqliteReading. Operations that write raise StoreUnavailable, and nothing happens."""

    def __init__(self, path: str, clock: Clock, random: Random) -> None:
        """Describe the session."""
        self._path = path
        self._clock = clock
        self._random = random
        self._limiter = anyio.CapacityLimiter(1)
        self._connection: sqlite3.Connection | None = None

    async def begin(self) -> None:
        """Open the file. Cancelled here: it may be open; end() is due."""
        self._connection = await self._unlocked(partial(_connect, self._path))

    async def end(self) -> None:
        """Close the file, if it is open."""
        with anyio.CancelScope(shield=True):
            if self._connection is not None:
                await run_sync(self._connection.close, limiter=self._limiter)

    async def perform(self, operation: Operation[R]) -> R:
        """Run one operation on one snapshot of the file (the contract is that of store.base.Session)."""
        assert self._connection is not None
        return await self._unlocked(partial(_read, self._connection, operation, self._clock.now_ms()))

    async def perform_all(self, operations: Sequence[Operation[Any]]) -> list[Answer]:
        """Run several, each on a snapshot of its own (the contract is that of store.base.Session)."""
        answers: list[Answer] = []
        for operation in operations:
            try:
                answers.append((await self.perform(operation), None))
            except Exception as error:
                answers.append((None, error))
        return answers

    def post(self, operation: Operation[object]) -> None:
        """Do nothing: what nobody waits for is a write."""

    async def _unlocked(self, call: Callable[[], R]) -> R:
        """Make a blocking call, again while the file is locked by another process."""
        for _ in range(LOCKED_TRIES):
            try:
                return await run_sync(call, limiter=self._limiter)
            except AQueueError:
                raise
            except sqlite3.OperationalError as error:
                if getattr(error, "sqlite_errorcode", 0) & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                    raise _unreadable(self._path, str(error)) from error
            except sqlite3.Error as error:
                raise _unreadable(self._path, str(error)) from error
            except Exception as error:  # rule 2: of any kind
                told = f"{type(error).__name__}: {error}"[:200]
                raise _unreadable(self._path, f"a row is not what was written ({told})") from error
            await anyio.sleep(LOCKED_PAUSE_SECONDS * self._random.random())
        raise _unreadable(self._path, "it stayed locked")


def _connect(path: str) -> sqlite3.Connection:
    file = Path(path)
    if not file.is_file():
        raise _none(path, "is no file" if file.exists() else "does not exist")
    if not file.stat().st_size:
        raise _none(path, "is empty")
    # Opened for writing if that is possible: where a crash left a journal, SQLite needs it to read at all.
    connection = sqlite3.connect(
        f"{file.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=0, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA query_only=ON")
        version = version_of(connection)
        if version is None:
            raise _none(path, "holds no queue")
        if version != SCHEMA_VERSION:
            raise SchemaMismatch(
                f"{path!r} is of version {version}",
                expected=f"version {SCHEMA_VERSION}",
                advice="start a worker on it once, which brings it to this version; nothing was changed",
            )
    except BaseException:
        connection.close()
        raise
    return connection


def _read(connection: sqlite3.Connection, operation: Operation[R], now: int) -> R:
    connection.execute("BEGIN")
    try:
        return operation.apply(SqliteTables(connection), now)
    finally:
        with suppress(sqlite3.Error):  # SQLite may have ended it; what was raised before says why
            connection.execute("ROLLBACK")


def _none(path: str, why: str) -> NoStore:
    return NoStore(
        f"{path!r} {why}",
        expected="the file of a queue",
        advice="correct the URL; a worker or an enqueuer makes the file, looking for it does not",
    )


def _unreadable(path: str, why: str) -> StoreUnavailable:
    return StoreUnavailable(
        f"{path!r} cannot be read: {' '.join(why.split())[:300]}",
        expected="a SQLite file of a queue, whole and not locked",
        advice="if locked, try again; if damaged, keep a copy, then restore a backup or use sqlite3 .recover",
    )
