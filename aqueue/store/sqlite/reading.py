"""Looking at a SQLite file without touching it: what a command that only reads is given instead of a SqliteStore.

Rule 1: nothing is made, migrated or written. A file that is not there, or holds no queue, is said to be so.
Rule 2: a file whose folder cannot be written is read as it lies, if nobody has it open: SQLite needs a file beside it
        to read along with a writer, and there can be none. Should one come all the same, that is found out, and said.
Rule 3: whatever is in the file, the answer is a reply or an error of ours: bytes that a disk damaged come back as
        values that no operation expects, and that is the file's fault.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final, TypeAlias, TypeVar

import anyio
from anyio.to_thread import run_sync

from aqueue.clock import Clock
from aqueue.errors import AQueueError, NoStore, SchemaMismatch, StoreUnavailable
from aqueue.store.base import Answer
from aqueue.store.operations import Operation
from aqueue.store.sqlite.schema import SCHEMA_VERSION, version_of
from aqueue.store.sqlite.tables import SqliteTables
from aqueue.store.sqlite.trouble import PERMISSIONS, advice_for, is_locked, is_unreachable

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
        self._lies_as: _Lie | None = None

    async def begin(self) -> None:
        """Open the file. Cancelled here: it may be open; end() is due."""
        self._connection, self._lies_as = await self._unlocked(partial(_connect, self._path))

    async def end(self) -> None:
        """Close the file, if it is open."""
        with anyio.CancelScope(shield=True):
            if self._connection is not None:
                await run_sync(self._connection.close, limiter=self._limiter)

    async def perform(self, operation: Operation[R]) -> R:
        """Run one operation on one snapshot of the file (the contract is that of store.base.Session)."""
        assert self._connection is not None
        reply = await self._unlocked(partial(_read, self._connection, operation, self._clock.now_ms()))
        if self._lies_as is not None and _lie_of(self._path) != self._lies_as:
            raise _unreadable(
                self._path, "it was changed while it was read", "try again, where its folder can be written"
            )
        return reply

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
            except sqlite3.Error as error:
                if not is_locked(error):
                    raise _unreadable(self._path, str(error), advice_for(error) or _RECOVER) from error
            except OSError as error:
                raise _unreadable(self._path, str(error.strerror), PERMISSIONS) from error
            except Exception as error:  # rule 3: of any kind
                told = f"{type(error).__name__}: {error}"[:200]
                raise _unreadable(self._path, f"a row is not what was written ({told})", _RECOVER) from error
            await anyio.sleep(LOCKED_PAUSE_SECONDS * self._random.random())
        raise _unreadable(self._path, "it stayed locked", "try again, or see which process has it locked")


_Lie: TypeAlias = tuple[int, ...]
"""What shows that a file was changed: its size and time, and those of the log beside it."""


def _lie_of(path: str) -> _Lie:
    file, log = Path(path).stat(), Path(f"{path}-wal")
    size_of_log = log.stat().st_size if log.exists() else 0
    return file.st_size, file.st_mtime_ns, file.st_ino, size_of_log


def _connect(path: str) -> tuple[sqlite3.Connection, _Lie | None]:
    """A connection to the file; with how it lies if that must not change while it is read."""
    file = Path(path)
    if not file.is_file():
        raise _none(path, "is no file" if file.exists() else "does not exist")
    if not file.stat().st_size:
        raise _none(path, "is empty")
    try:
        # Opened for writing if that is possible: where a crash left a journal, SQLite needs it to read at all.
        return _open(file, "mode=rw"), None
    except sqlite3.OperationalError as error:
        lie = _lie_of(path)
        if lie[-1] or not is_unreachable(error):
            raise
        return _open(file, "mode=ro&immutable=1"), lie


def _open(file: Path, how: str) -> sqlite3.Connection:
    path = str(file)
    connection = sqlite3.connect(
        f"{file.absolute().as_uri()}?{how}", uri=True, isolation_level=None, timeout=0, check_same_thread=False
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


_RECOVER: Final = "keep a copy, then restore a backup or use sqlite3 .recover"


def _unreadable(path: str, why: str, advice: str) -> StoreUnavailable:
    return StoreUnavailable(
        f"{path!r} cannot be read: {' '.join(why.split())[:300]}",
        expected="a SQLite file of a queue, whole and not locked",
        advice=advice,
    )
