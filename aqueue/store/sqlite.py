"""A store in one SQLite file: survives kill -9 of everything, and power failure unless told otherwise.

Rule 1: every blocking call goes through one seam, _in_thread: anyio's worker threads, one call at a time. No thread of
        our own, and no call waits in its thread: a locked database is asked again from the event loop, after a pause.
Rule 2: group commit. Callers put their operation in a list; one task runs all that wait in one transaction, each in
        its own savepoint, then wakes each caller. So 10 producers share one fsync, and a lone one waits for nobody.
Rule 3: an operation that is in the list is carried out, also when its caller is cancelled. If the task itself is
        killed, every caller hears StoreUnavailable: nobody waits for a reply that cannot come.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Final, Literal, TypeVar, cast

import anyio
from anyio.to_thread import run_sync

from aqueue.clock import Clock
from aqueue.errors import AQueueError, QueueClosed, StoreUnavailable
from aqueue.log import logger
from aqueue.store.operations import Operation
from aqueue.store.rows import Tables
from aqueue.store.sqlite_join import joined
from aqueue.store.sqlite_schema import create_schema
from aqueue.store.sqlite_tables import SqliteTables

__all__ = ["SqliteSession", "SqliteStore"]

R = TypeVar("R")
GROUP_MAX: Final = 256
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

    def within(self, connection: object) -> AbstractContextManager[Tables]:
        """Give the tables inside a transaction of the user's own sqlite3 connection to this file."""
        return joined(self._path, connection)

    @asynccontextmanager
    async def open(self, *, clock: Clock, random: Random) -> AsyncGenerator[SqliteSession]:
        """Open for the life of the context. What was put in the list before the end is still carried out."""
        session = SqliteSession(self._path, self._synchronous, clock, random)
        failure: Exception | None = None
        async with anyio.create_task_group() as tasks:
            # start_soon, not start: a host cancelled inside start() would wait for a task that outlives cancellation.
            tasks.start_soon(session.flush_until_closed, name="store.flush")
            try:
                await session.until_open()
                yield session
            except Exception as error:  # raised again below, so that the task group does not wrap it in a group
                failure = error
            finally:
                session.close()
        if failure is not None:
            raise failure


@dataclass(eq=False, slots=True)
class _Waiting:
    """One operation in the list. done: None if nobody waits for it."""

    operation: Operation[object]
    done: anyio.Event | None
    reply: object = None
    error: Exception | None = None


class SqliteSession:
    """An open SqliteStore."""

    def __init__(self, path: str, synchronous: str, clock: Clock, random: Random) -> None:
        """Describe the session; flush_until_closed makes it live."""
        self._path = path
        self._synchronous = synchronous
        self._clock = clock
        self._random = random
        self._limiter = anyio.CapacityLimiter(1)
        self._list: deque[_Waiting] = deque()
        self._more = anyio.Event()
        self._is_closing = False
        self._has_tried = anyio.Event()
        self._failure: Exception | None = None

    async def until_open(self) -> None:
        """Wait until the file is open. Raises what opening it raised. Cancelled here: it may be; close() is due."""
        await self._has_tried.wait()
        if self._failure is not None:
            raise self._failure
        if self._is_closing:
            raise _unanswered("the store was stopped while it was being opened")

    def close(self) -> None:
        """Refuse new operations; those in the list are still carried out."""
        self._is_closing = True
        self._more.set()

    async def perform(self, operation: Operation[R]) -> R:
        """Run one operation in the next transaction (the contract is that of store.base.Session)."""
        waiting = _Waiting(operation, anyio.Event())
        self._put(waiting)
        assert waiting.done is not None
        await waiting.done.wait()  # cancelled here: the operation is in the list and is carried out
        if waiting.error is not None:
            raise waiting.error
        return cast("R", waiting.reply)

    def post(self, operation: Operation[object]) -> None:
        """Have the operation carried out after all earlier ones; dropped if the store is closed."""
        with suppress(QueueClosed):
            self._put(_Waiting(operation, None))

    def _put(self, waiting: _Waiting) -> None:
        if self._is_closing:
            raise QueueClosed(
                "the store was used after its queue closed",
                expected="an open queue",
                advice="keep the work inside `async with queue:`",
            )
        self._list.append(waiting)
        self._more.set()

    async def flush_until_closed(self) -> None:
        """Open the file, carry out what is in the list until close() is called, close the file."""
        # Shielded: when the host is cancelled, workers still settle and release, and close() ends this task.
        with anyio.CancelScope(shield=True):
            try:
                connection = await self._open()
                if connection is not None:
                    try:
                        await self._flush_list(connection)
                    finally:
                        await self._in_thread(connection.close)
            finally:
                self._has_tried.set()
                self._abandon()

    async def _open(self) -> sqlite3.Connection | None:
        try:
            return await self._unlocked(partial(_connect, self._path, self._synchronous))
        except Exception as error:  # raised by until_open, in the task that opened the store
            self._failure = error
            return None
        finally:
            self._has_tried.set()

    async def _flush_list(self, connection: sqlite3.Connection) -> None:
        while self._list or not self._is_closing:
            if not self._list:
                self._more = anyio.Event()
                await self._more.wait()
                continue
            batch = [self._list.popleft() for _ in range(min(len(self._list), GROUP_MAX))]
            try:
                await self._flush(connection, batch)
            finally:
                # Also when this task is killed in between: whether the batch was committed is not known then.
                for waiting in batch:
                    _wake(waiting, _unanswered("the store was stopped"))

    async def _flush(self, connection: sqlite3.Connection, batch: list[_Waiting]) -> None:
        operations = [waiting.operation for waiting in batch]
        try:
            replies = await self._unlocked(partial(_commit, connection, operations, self._clock.now_ms()))
        except Exception as error:  # of any kind: this task serves everybody, so it outlives every answer
            unanswered = error if isinstance(error, StoreUnavailable) else _unanswered(repr(error))
            logger().warning("store.commit_failed", operations=len(batch), error=unanswered.happened)
            for waiting in batch:
                _wake(waiting, unanswered)
            return
        for waiting, (reply, failure) in zip(batch, replies, strict=True):
            waiting.reply = reply
            _wake(waiting, failure)

    async def _unlocked(self, call: Callable[[], R]) -> R:
        """Make a blocking call, again while the file is locked by another process (nothing has happened then)."""
        for _ in range(LOCKED_TRIES):
            try:
                return await self._in_thread(call)
            except sqlite3.OperationalError as error:
                if not _is_locked(error):
                    raise _unanswered(f"{self._path}: {error}") from error
            except sqlite3.Error as error:
                raise _unanswered(f"{self._path}: {error}") from error
            await anyio.sleep(LOCKED_PAUSE_SECONDS * self._random.random())
        raise _unanswered(f"{self._path} stayed locked")

    async def _in_thread(self, call: Callable[[], R]) -> R:
        return await run_sync(call, limiter=self._limiter)

    def _abandon(self) -> None:
        self._is_closing = True
        while self._list:
            _wake(self._list.popleft(), _unanswered("the store was stopped"))


def _is_locked(error: sqlite3.OperationalError) -> bool:
    # The primary code is the low byte: SQLITE_BUSY_RECOVERY and SQLITE_BUSY_SNAPSHOT are locks too. An error that did
    # not come from the library has no code.
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _wake(waiting: _Waiting, error: Exception | None) -> None:
    """Give the caller its answer, unless it has one."""
    if waiting.done is None or waiting.done.is_set():
        return
    waiting.error = error
    waiting.done.set()


def _unanswered(happened: str) -> StoreUnavailable:
    return StoreUnavailable(
        happened,
        expected="the store to answer",
        advice="repeat the operation, it is safe; if it goes on, look at the disk and at who else has the file open",
    )


def _connect(path: str, synchronous: str) -> sqlite3.Connection:
    # timeout=0: SQLite would sleep in its thread, in real time; _unlocked waits on the event loop instead.
    connection = sqlite3.connect(path, isolation_level=None, timeout=0, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={synchronous}")
        create_schema(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _commit(
    connection: sqlite3.Connection, operations: list[Operation[object]], now: int
) -> list[tuple[object, Exception | None]]:
    """Run the operations in one transaction; one that raises is undone alone. Runs in a thread."""
    refused: dict[int, Exception] = {}
    while True:
        replies = _try_commit(connection, operations, now, refused)
        if replies is not None:
            return replies


def _try_commit(
    connection: sqlite3.Connection, operations: list[Operation[object]], now: int, refused: dict[int, Exception]
) -> list[tuple[object, Exception | None]] | None:
    """None if one operation ended the transaction for all (RAISE(ROLLBACK) in a trigger of the user): it is refused."""
    tables = SqliteTables(connection)
    replies: list[tuple[object, Exception | None]] = []
    if connection.in_transaction:  # the last one could not even be rolled back: it was not committed
        connection.execute("ROLLBACK")
    connection.execute("BEGIN IMMEDIATE")
    try:
        for place, operation in enumerate(operations):
            if place in refused:
                replies.append((None, refused[place]))
                continue
            connection.execute("SAVEPOINT operation")
            try:
                replies.append((operation.apply(tables, now), None))
            except (AQueueError, sqlite3.IntegrityError, AssertionError) as error:
                if not connection.in_transaction:
                    refused[place] = error
                    return None
                connection.execute("ROLLBACK TO operation")
                replies.append((None, error))
            connection.execute("RELEASE operation")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return replies
