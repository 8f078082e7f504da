"""A store on a PostgreSQL server: for workers on several hosts, and programs that have such a server anyway.

Many callers share one transaction and one connection (group.py); a second connection listens for hints.
Rule 1: the server's clock is the only one, unless a clock is given by hand.
Rule 2: a transaction that another one got in the way of (a unique index, a deadlock, a lock that takes too long) is
        undone by the server and run again, its operations one by one, so that none holds up the others.
Rule 3: a connection that is lost leaves its last transaction in doubt. Its callers hear StoreUnavailable, the next
        batch connects anew.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import Any, Final, Literal, TypeVar

import anyio
import psycopg
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from aqueue.clock import Clock, SystemClock
from aqueue.errors import BadUrl, StoreUnavailable
from aqueue.store.base import Answer, Hint
from aqueue.store.group import Again, GroupSession, Reply, grouped, unanswered
from aqueue.store.operations import Operation
from aqueue.store.postgres.hints import keep_listening
from aqueue.store.postgres.join import performed_within
from aqueue.store.postgres.schema import create_schema, identity_of
from aqueue.store.postgres.transaction import IN_THE_WAY, commit_together

__all__ = ["PostgresDatabase", "PostgresSession", "PostgresStore", "server_time_or"]

R = TypeVar("R")
TRIES: Final = 20
PAUSE_SECONDS: Final = 0.05
# A server that does not answer is given up, and a client that vanished holds nothing for long.
_CONNECTION: Final[dict[str, str | int]] = {
    "connect_timeout": 10, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3,
    "tcp_user_timeout": 30_000, "application_name": "aqueue", "client_encoding": "UTF8",
}  # fmt: skip
# Each statement has an index made for it, and is not to be planned anew, by statistics that a young queue has none of.
_SESSION: Final = (
    "SET default_transaction_isolation='read committed'; SET default_transaction_read_only=off; SET lock_timeout='1s'; "
    "SET idle_in_transaction_session_timeout='30s'; SET statement_timeout=0; SET jit=off; SET enable_seqscan=off; "
    "SET enable_bitmapscan=off; SET plan_cache_mode=force_generic_plan; SET bytea_output='hex'; SET DateStyle='ISO'"
)


class PostgresStore:
    """Jobs in a PostgreSQL database, in the first schema of the connection's search_path.

    url: what libpq takes: "postgresql://user@host/database", or its own "host=… dbname=…".
    durability: "power" = a commit is on the server's disk before it is acknowledged; "process" = the server may lose
    the commits of its last moment if it crashes itself. No crash of a client loses anything.
    """

    def __init__(self, url: str, *, durability: Literal["power", "process"] = "power") -> None:
        """Name the database; its tables are created when the store is opened. Raises BadUrl."""
        try:
            given = conninfo_to_dict(url)
        except psycopg.Error as error:
            raise BadUrl(
                f"{url!r} names no database: {str(error).strip()}",
                expected='"postgresql://user@host/database"',
                advice="correct the URL",
            ) from error
        self._conninfo = make_conninfo("", **(_CONNECTION | {name: str(value) for name, value in given.items()}))
        self._durability = durability
        self._identity: int | None = None

    def connect(self) -> Connection[Any]:
        """A connection in autocommit mode. Raises psycopg.Error."""
        connection = Connection.connect(self._conninfo, autocommit=True)
        try:
            connection.execute(_SESSION)
            if self._durability == "process":
                connection.execute("SET synchronous_commit=off")
            else:  # a server or a database that is set to be faster is not asked; one that is set to be safer stays so
                connection.execute(
                    "SELECT set_config('synchronous_commit','on',false) "
                    "WHERE current_setting('synchronous_commit')='off'"
                )
        except BaseException:
            connection.close()
            raise
        return connection

    def perform_within(self, connection: object, operation: Operation[R], clock: Clock) -> R:
        """Run one operation inside a transaction of the user's own psycopg connection to this database."""
        return performed_within(connection, operation, identity=self._identity, fixed_now=server_time_or(clock)())

    @asynccontextmanager
    async def open(self, *, clock: Clock, random: Random) -> AsyncGenerator[PostgresSession]:
        """Open for the life of the context. What was put in the list before the end is still carried out."""
        database = PostgresDatabase(self.connect, fixed_now=server_time_or(clock))
        async with grouped(database, clock=clock, random=random) as session:
            self._identity = database.identity
            failure: Exception | None = None
            hinting = PostgresSession(session)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(
                    keep_listening, self.connect, hinting.hear, lambda: database.pid, random, name="store.listen"
                )
                try:
                    yield hinting
                except Exception as error:  # raised again below, so that the task group does not wrap it in a group
                    failure = error
                tasks.cancel_scope.cancel()
            if failure is not None:
                raise failure


def server_time_or(clock: Clock) -> Callable[[], int | None]:
    """The time that is to be used instead of the server's. The default clock stands for the store's own."""
    return (lambda: None) if isinstance(clock, SystemClock) else clock.now_ms


def _told(error: psycopg.Error) -> str:
    """What libpq says, on one line, and as the beginning of a sentence of ours."""
    return " ".join(str(error).split()).rstrip("?.")


class PostgresSession:
    """An open PostgresStore."""

    def __init__(self, session: GroupSession) -> None:
        """Add hints to a session."""
        self._session = session
        self._hear: Callable[[Hint], None] | None = None

    async def perform(self, operation: Operation[R]) -> R:
        """Run one operation in the next transaction (the contract is that of store.base.Session)."""
        return await self._session.perform(operation)

    async def perform_all(self, operations: Sequence[Operation[Any]]) -> list[Answer]:
        """Run several in as few transactions as can be (the contract is that of store.base.Session)."""
        return await self._session.perform_all(operations)

    def post(self, operation: Operation[object]) -> None:
        """Have the operation carried out after all earlier ones; dropped if the store is closed."""
        self._session.post(operation)

    def give_hints_to(self, hear: Callable[[Hint], None]) -> None:
        """Have every hint from now on told."""
        self._hear = hear

    def hear(self, hint: Hint) -> None:
        """Pass a hint on."""
        if self._hear is not None:
            self._hear(hint)


class PostgresDatabase:
    """One connection to the database, made again when it is lost."""

    def __init__(
        self,
        connect: Callable[[], Connection[Any]],
        *,
        fixed_now: Callable[[], int | None],
        reads_only: bool = False,
    ) -> None:
        """Connect when it is first asked. reads_only: its tables are there, and nothing is written or locked."""
        self._reads_only = reads_only
        self._connect = connect
        self._uses_server_clock = fixed_now() is None
        self._connection: Connection[Any] | None = None
        self.identity = 0
        self.pid = 0
        self.tries = TRIES
        self.pause_seconds = PAUSE_SECONDS

    def connect(self) -> None:
        try:
            connection = self._connect()
            self._connection = connection
            if self._reads_only:
                connection.execute("SET default_transaction_read_only=on")
            else:
                create_schema(connection)
            self.identity = identity_of(connection)
            self.pid = connection.info.backend_pid
        except psycopg.Error as error:
            self.close()
            if error.sqlstate in IN_THE_WAY:  # somebody else makes the tables right now
                raise Again(_told(error)) from error
            raise unanswered(_told(error)) from error
        except BaseException:
            self.close()
            raise

    def commit(self, operations: Sequence[Operation[object]], now: int, *, is_retry: bool) -> list[Reply]:
        fixed_now = None if self._uses_server_clock else now
        if not is_retry:
            return self._commit(operations, fixed_now, is_retry=False)
        replies: list[Reply] = []
        for operation in operations:
            try:
                replies += self._commit([operation], fixed_now, is_retry=True)
            except (Again, StoreUnavailable) as error:
                replies.append((None, error))
        return replies

    def _commit(self, operations: Sequence[Operation[object]], fixed_now: int | None, *, is_retry: bool) -> list[Reply]:
        if self._connection is None:
            self.connect()
        assert self._connection is not None
        try:
            return commit_together(
                self._connection, operations, fixed_now, is_retry=is_retry, reads_only=self._reads_only
            )
        except psycopg.Error as error:
            if self._connection.closed or self._connection.broken or error.sqlstate is None:
                self.close()
                raise unanswered(f"the connection was lost: {_told(error)}") from error
            raise unanswered(_told(error)) from error

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error):
                connection.close()
