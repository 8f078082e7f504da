"""Enqueueing in a transaction of the user's own: their connection, their commit, our rows."""

from __future__ import annotations

from typing import Any, TypeVar, cast

import psycopg
from psycopg import Connection, Cursor
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from aqueue.errors import BadOption
from aqueue.store.group import unanswered
from aqueue.store.operations import Operation
from aqueue.store.postgres.footprint import footprint_of
from aqueue.store.postgres.hints import CHANNEL
from aqueue.store.postgres.tables import PostgresTables

__all__ = ["performed_within"]

R = TypeVar("R")


def performed_within(connection: object, operation: Operation[R], *, identity: int | None, fixed_now: int | None) -> R:
    """Run the operation in the transaction of the user's connection. Raises BadOption, StoreUnavailable.

    identity: the number of the store's tables, None if they were never opened.
    """
    mine = _checked(connection, identity)
    _run(mine, "SAVEPOINT aqueue")
    try:
        tables = PostgresTables(mine, None, footprint_of([operation], is_retry=False), fixed_now=fixed_now)
        reply = operation.apply(tables, tables.now)
        tables.operation_done()
        tables.finish(CHANNEL)
        _run(mine, "RELEASE SAVEPOINT aqueue")
    except psycopg.Error as error:
        if mine.closed or mine.info.transaction_status == TransactionStatus.UNKNOWN:
            raise unanswered(f"the connection of tx= was lost: {str(error).strip()}") from error
        _undo(mine)
        raise unanswered(f"in the transaction of tx=: {str(error).strip()}") from error
    except BaseException:
        _undo(mine)
        raise
    return reply


def _undo(connection: Connection[Any]) -> None:
    _run(connection, "ROLLBACK TO SAVEPOINT aqueue")
    _run(connection, "RELEASE SAVEPOINT aqueue")


def _run(connection: Connection[Any], sql: str) -> list[Any]:
    """Run a statement of ours whatever rows and cursors the user's connection is set to give."""
    cursor = Cursor(connection, row_factory=tuple_row)
    cursor.execute(sql.encode())
    return cursor.fetchall() if cursor.description else []


def _checked(connection: object, identity: int | None) -> Connection[Any]:
    if not isinstance(connection, Connection):
        raise _unfit(f"{connection!r} is no psycopg.Connection", "an open connection to the queue's database")
    mine = cast("Any", connection)  # of rows of whatever shape the user has chosen
    status = mine.info.transaction_status
    if mine.closed or status == TransactionStatus.UNKNOWN:
        raise _unfit(f"tx={connection!r} is closed", "an open connection to the queue's database")
    if status == TransactionStatus.INERROR:
        raise _unfit("the transaction of tx= has failed already", "one that can still be committed")
    if status == TransactionStatus.IDLE and mine.autocommit:
        raise _unfit("tx= is in no transaction", "`with connection.transaction():` around it")
    if identity is None:
        raise _unfit("the queue was not opened yet", "an open queue")
    found = _run(mine, "SELECT to_regclass('aq_meta') IS NOT NULL")
    if found != [(True,)] or _run(mine, "SELECT value FROM aq_meta WHERE key='store'") != [(identity,)]:
        raise _unfit(
            f"tx= is a connection to {mine.info.dbname!r}, where this queue's tables are not",
            "one to the queue's database, with its search_path",
        )
    checked: Connection[Any] = mine
    return checked


def _unfit(happened: str, expected: str) -> BadOption:
    return BadOption(happened, expected=expected, advice="open one with psycopg.connect, and begin a transaction")
