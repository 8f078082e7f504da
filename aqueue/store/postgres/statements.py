"""Statements of one transaction: writes that wait, savepoints for operations that can be undone alone, and the user's.

Statements are sent in a pipeline where the connection is in one: a round trip is paid where an answer is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import psycopg
from psycopg import Connection, Cursor, Pipeline
from psycopg.rows import tuple_row

from aqueue.errors import WriteRefused
from aqueue.store.postgres.guard import fault_of, is_fault_of_statement
from aqueue.store.postgres.writes import Writes, storable

__all__ = ["Statements"]

_LOCKING: Final = re.compile(r" FOR UPDATE(?: OF \w+)?(?: SKIP LOCKED)?$")


class Statements:
    """A transaction that has begun. own: what the operation that runs has written so far."""

    def __init__(self, connection: Connection[Any], pipeline: Pipeline | None, *, reads_only: bool = False) -> None:
        """Use the connection, in this pipeline if there is one. reads_only: lock no row that is read."""
        self.reads_only = reads_only
        self._connection = connection
        self._pipeline = pipeline
        self._writer = Cursor(connection, row_factory=tuple_row)
        self._done = Writes()
        self._has_savepoint = False
        self._has_written_for_user = False
        self.own = Writes()

    def run(self, sql: str, values: Sequence[object] = ()) -> Cursor[Any]:
        """Have a statement of ours run, and leave its answer where it is."""
        if self.reads_only:
            sql = _LOCKING.sub("", sql)
        cursor = Cursor(self._connection, row_factory=tuple_row)
        return cursor.execute(sql.encode(), [storable(value) for value in values])

    def ask(self, sql: str, *values: object) -> list[Any]:
        """Rows, as they are after everything written so far."""
        self.send()
        return self.run(sql, values).fetchall()

    def ask_named(self, sql: str, values: Mapping[str, object]) -> list[Any]:
        """As ask, for a statement whose places have names."""
        self.send()
        return Cursor(self._connection, row_factory=tuple_row).execute(sql.encode(), values).fetchall()

    def write(self, sql: str, *values: object) -> list[Any]:
        """Run a statement that writes and answers, so that it can be undone with its operation."""
        self.send()
        self._keep_undoable()
        return self.run(sql, values).fetchall()

    def send(self) -> None:
        """Send every write; those of the operation that runs so that they can be undone."""
        self._done.send(self._write)
        if self.own:
            self._keep_undoable()
            self.own.send(self._write)

    def _write(self, sql: str, values: Sequence[object]) -> None:
        """Have a statement run whose answer nobody looks at, other than for its error: so one cursor does for all."""
        self._writer.execute(sql.encode(), [storable(value) for value in values])

    def done(self) -> None:
        """Keep what the operation wrote. Raises WriteRefused if a constraint of the user that waits does not hold."""
        if self._has_written_for_user:
            # A constraint that waits for the commit would undo everybody's operations there.
            self._guarded("SET CONSTRAINTS ALL IMMEDIATE", None)
            self.run("SET CONSTRAINTS ALL DEFERRED")
        if self._has_savepoint:
            self.run("RELEASE SAVEPOINT operation")
        self._done.add(self.own)
        self._begin_next()

    def failed(self) -> None:
        """Undo what the operation wrote, and nothing else."""
        if self._has_savepoint:
            self.run("ROLLBACK TO SAVEPOINT operation")
            self.run("RELEASE SAVEPOINT operation")
        self._begin_next()

    def _begin_next(self) -> None:
        self.own = Writes()
        self._has_savepoint = self._has_written_for_user = False

    def run_for_user(self, sql: str, parameters: Sequence[object]) -> int:
        """Run one statement of the user, and return how many rows it changed. Raises WriteRefused."""
        fault = fault_of(sql)
        if fault is not None:
            raise _refused(sql, fault)
        self.send()
        self._keep_undoable()
        self._sync()  # an error of a statement of ours is not this one's
        self._has_written_for_user = True
        return max(0, self._guarded(sql, tuple(parameters) or None).rowcount)

    def _guarded(self, sql: str, parameters: Sequence[object] | None) -> Cursor[Any]:
        cursor = Cursor(self._connection, row_factory=tuple_row)
        try:
            cursor.execute(sql.encode(), parameters)
            self._sync()
        except (psycopg.Error, OverflowError, ValueError, TypeError, IndexError) as error:
            if isinstance(error, psycopg.Error) and not is_fault_of_statement(error):
                raise
            self._sync()
            raise _refused(sql, str(error).strip()) from error
        return cursor

    def _keep_undoable(self) -> None:
        if not self._has_savepoint:
            self._has_savepoint = True
            self.run("SAVEPOINT operation")

    def _sync(self) -> None:
        if self._pipeline is not None:
            self._pipeline.sync()


def _refused(sql: str, why: str) -> WriteRefused:
    return WriteRefused(
        f"{sql!r}: {why}",
        expected="one statement that writes rows into a table of yours",
        advice="correct the statement; nothing of this transaction was written",
    )
