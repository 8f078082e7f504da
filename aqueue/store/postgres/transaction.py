"""One transaction for many operations: begin, lock and read, run each, write, tell, commit.

Rule 1: an operation that refuses (an error of ours) is undone alone. An error of the server undoes the transaction.
Rule 2: Again is raised only when the server has said that nothing happened.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import psycopg
from psycopg import Connection

from aqueue.errors import AQueueError, BadOption
from aqueue.store.group import Again, Reply
from aqueue.store.operations import Operation
from aqueue.store.postgres.footprint import footprint_of
from aqueue.store.postgres.hints import CHANNEL
from aqueue.store.postgres.tables import PostgresTables
from aqueue.store.postgres.writes import GUARD_FAILED
from aqueue.store.together import pieces, replies_of

__all__ = ["IN_THE_WAY", "commit_together"]

# unique_violation, serialization_failure, deadlock_detected, lock_not_available, and a row that was not as it was read
IN_THE_WAY: Final = frozenset({"23505", "40001", "40P01", "55P03", GUARD_FAILED})
_rollbacks: Final = itertools.count()
_NOT_STORABLE: Final = ("22", "23", "54")


def commit_together(
    connection: Connection[Any],
    operations: Sequence[Operation[object]],
    fixed_now: int | None,
    *,
    is_retry: bool,
    reads_only: bool = False,
) -> list[Reply]:
    """Run the operations in one transaction. is_retry: there is one, and something got in its way before.

    reads_only: they read, and lock nothing.
    Raises Again, or psycopg.Error if it may have happened.
    """
    try:
        with connection.pipeline() as pipeline:
            connection.execute("BEGIN")
            work = list(operations) if is_retry else pieces(operations)
            footprint = footprint_of(work, is_retry=is_retry, reads_only=reads_only)
            tables = PostgresTables(connection, pipeline, footprint, fixed_now=fixed_now)
            replies = _run(tables, work)
            committed = connection.execute("COMMIT")
    except psycopg.Error as error:
        _roll_back(connection)
        if error.sqlstate in IN_THE_WAY:
            raise Again(str(error).strip()) from error
        if isinstance(error, psycopg.DataError) or (error.sqlstate or "").startswith(_NOT_STORABLE):
            if not is_retry:
                raise Again(str(error).strip()) from error  # of one of them: find out of which
            return [(None, _not_storable(operations[0], error))]
        raise
    except BaseException:
        _roll_back(connection)
        raise
    if committed.statusmessage != "COMMIT":
        raise Again(f"the server answered COMMIT with {committed.statusmessage}")
    return replies


def _run(tables: PostgresTables, work: Sequence[Operation[object]]) -> list[Reply]:
    answers: list[Reply] = []
    for operation in work:
        try:
            reply = operation.apply(tables, tables.now)
            tables.operation_done()
            answers.append((reply, None))
        except psycopg.Error:
            raise
        except Exception as error:  # of any kind: it is this operation's own
            tables.operation_failed()
            answers.append((None, error))
    tables.finish(CHANNEL)
    return replies_of(work, answers)


def _roll_back(connection: Connection[Any]) -> None:
    """Leave no transaction behind; if that cannot be, the connection is closed, which ends it as well."""
    with suppress(psycopg.Error):
        if not connection.closed and connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            # A text that psycopg has not seen: only then does it look at the answer, and forget what it takes for
            # prepared. It believes that of a statement that an error before it in the pipeline kept from being so
            # (psycopg 3.3; test_a_statement_that_an_error_kept_from_being_prepared_is_prepared_later).
            connection.execute(f"ROLLBACK -- {next(_rollbacks)}".encode())
        return
    connection.close()


def _not_storable(operation: Operation[object], error: psycopg.Error) -> AQueueError:
    return BadOption(
        f"the server cannot store {type(operation).__name__}: {str(error).strip()}",
        expected="numbers of at most 64 bits, and texts",
        advice="look at what was enqueued or returned; nothing was written",
    )
