"""A store in one SQLite file: survives kill -9 of everything, and power failure unless told otherwise.

Many callers share one transaction (group.py), each with its own savepoint.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Generator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from random import Random
from typing import Final, Literal, TypeVar

from aqueue.clock import Clock
from aqueue.errors import BadOption
from aqueue.store.group import Again, GroupSession, Reply, grouped, unanswered
from aqueue.store.operations import Operation, Settle
from aqueue.store.sqlite.join import joined
from aqueue.store.sqlite.schema import create_schema
from aqueue.store.sqlite.tables import SqliteTables
from aqueue.store.sqlite.trouble import PERMISSIONS, advice_for, is_locked
from aqueue.store.together import is_plain_success, pieces, replies_of

__all__ = ["SqliteStore", "commit_batch", "connect_file"]

R = TypeVar("R")
LOCKED_TRIES: Final = 60
LOCKED_PAUSE_SECONDS: Final = 0.1


class SqliteStore:
    """Jobs in a file. 2-4 processes may share it, on one host.

    durability: "power" = a commit is on the disk before it is acknowledged; "process" = it is with the operating
    system, so a power failure may lose the last commits (a crash of the process may not).
    """

    def __init__(self, path: str, *, durability: Literal["power", "process"] = "power") -> None:
        """Name the file; it is created when the store is opened."""
        self._path = path
        self._synchronous = {"power": "FULL", "process": "NORMAL"}[durability]

    @property
    def path(self) -> str:
        """The file's name, as it was given."""
        return self._path

    def perform_within(self, connection: object, operation: Operation[R], clock: Clock) -> R:
        """Run one operation inside a transaction of the user's own sqlite3 connection to this file."""
        with joined(self._path, connection) as tables:
            return operation.apply(tables, clock.now_ms())

    def open(self, *, clock: Clock, random: Random) -> AbstractAsyncContextManager[GroupSession]:
        """Open for the life of the context. What was put in the list before the end is still carried out."""
        return grouped(_SqliteDatabase(self._path, self._synchronous), clock=clock, random=random)


class _SqliteDatabase:
    """One connection to the file."""

    def __init__(self, path: str, synchronous: str) -> None:
        self._path = path
        self._synchronous = synchronous
        self._connection: sqlite3.Connection | None = None
        self.tries = LOCKED_TRIES
        self.pause_seconds = LOCKED_PAUSE_SECONDS

    def connect(self) -> None:
        with self._named():
            self._connection = connect_file(self._path, self._synchronous)
        # SQLite opens what it may only read, and says so at the first write: a worker would ask again for ever.
        if not _is_writable(self._path):
            self._connection.close()
            raise unanswered(f"{self._path} may only be read", advice=PERMISSIONS)

    def commit(self, operations: Sequence[Operation[object]], now: int, *, is_retry: bool) -> list[Reply]:  # noqa: ARG002
        assert self._connection is not None
        with self._named():
            return commit_batch(self._connection, operations, now)

    def close(self) -> None:
        assert self._connection is not None
        self._connection.close()

    @contextmanager
    def _named(self) -> Generator[None]:
        """Say what SQLite's errors mean: a lock of another process, under which nothing happens, or trouble."""
        try:
            yield
        except sqlite3.OperationalError as error:
            if is_locked(error):
                raise Again(f"{self._path} stayed locked") from error
            raise unanswered(f"{self._path}: {error}", advice=advice_for(error)) from error
        except sqlite3.Error as error:
            raise unanswered(f"{self._path}: {error}", advice=advice_for(error)) from error


def _is_writable(path: str) -> bool:
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def connect_file(path: str, synchronous: str) -> sqlite3.Connection:
    """A connection in autocommit mode to a file with the schema. synchronous: FULL or NORMAL. Raises sqlite3.Error."""
    # timeout=0: SQLite would sleep in its thread, in real time; the session waits on the event loop instead.
    connection = sqlite3.connect(path, isolation_level=None, timeout=0, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={synchronous}")
        # What a statement gathers on the way is a few rows. If a file could take over, SQLite sets up 20 pages each
        # time, and the allocator gives them back to the system, which cleans them anew: up to a fifth of a claim.
        connection.execute("PRAGMA temp_store=MEMORY")
        create_schema(connection)
    except BaseException:
        connection.close()
        raise
    return connection


# A number of more than 64 bits, half a pair of UTF-16, a value of no type that SQLite has, one of a gigabyte and more.
_UNSTORABLE: Final = (
    OverflowError, UnicodeError, sqlite3.DataError, sqlite3.InterfaceError, sqlite3.ProgrammingError
)  # fmt: skip


def _is_of_one(error: Exception) -> bool:
    """Whether an error is that of one operation: then the others of its batch are none the worse for it."""
    return not isinstance(error, sqlite3.Error) or isinstance(error, (sqlite3.IntegrityError, *_UNSTORABLE))


def _not_storable(operation: Operation[object], error: Exception) -> BadOption:
    return BadOption(
        f"SQLite cannot store {type(operation).__name__}: {error}",
        expected="numbers of at most 64 bits, and texts",
        advice="look at what was enqueued or returned; nothing was written",
    )


def commit_batch(connection: sqlite3.Connection, operations: Sequence[Operation[object]], now: int) -> list[Reply]:
    """Run the operations in one transaction; one that raises is undone alone. Runs in a thread."""
    try:
        return _commit_all(connection, operations, now)
    except Exception as error:
        if not _is_of_one(error):
            raise
        # Nothing was written; once more, so that each can be undone alone, which costs a savepoint each.
    refused: dict[int, Exception] = {}
    while True:
        with suppress(_TransactionEnded):
            return _commit_each(connection, operations, now, refused)


def _commit_all(connection: sqlite3.Connection, operations: Sequence[Operation[object]], now: int) -> list[Reply]:
    """Run the operations in one transaction, or none of them if one raises."""
    with _transaction(connection):
        tables = SqliteTables(connection, asks_first=False)
        tables.foresee([op.job_id for op in operations if isinstance(op, Settle) and not is_plain_success(op)])
        work = pieces(operations)
        answers = [(piece.apply(tables, now), None) for piece in work]
        tables.write_events()
    return replies_of(work, answers)


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Generator[None]:
    if connection.in_transaction:  # the last one could not even be rolled back: it was not committed
        connection.execute("ROLLBACK")
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


class _TransactionEnded(Exception):
    """One operation ended the transaction for all (RAISE(ROLLBACK) in a trigger of the user): it is refused."""


def _commit_each(
    connection: sqlite3.Connection, operations: Sequence[Operation[object]], now: int, refused: dict[int, Exception]
) -> list[Reply]:
    """Run the operations in one transaction, each in its own savepoint; those that are refused have their answer."""
    replies: list[Reply] = []
    with _transaction(connection):
        tables = SqliteTables(connection)
        for place, operation in enumerate(operations):
            if place in refused:
                replies.append((None, refused[place]))
                continue
            connection.execute("SAVEPOINT operation")
            try:
                reply = operation.apply(tables, now)
                tables.write_events()
                replies.append((reply, None))
            except Exception as error:
                if not _is_of_one(error):
                    raise
                if not connection.in_transaction:
                    refused[place] = error
                    raise _TransactionEnded from error
                tables.drop_events()
                connection.execute("ROLLBACK TO operation")
                replies.append((None, _not_storable(operation, error) if isinstance(error, _UNSTORABLE) else error))
            connection.execute("RELEASE operation")
    return replies
