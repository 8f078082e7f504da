"""A store in this process's memory: for tests, scenarios, and jobs that may be lost with the process.

Transactions are synchronous calls on the event loop, undone if they raise. Several queues may share one MemoryStore,
as several processes share a database; what a queue wrote stays when the queue is closed.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import Any, TypeVar

from anyio.lowlevel import checkpoint

from aqueue.clock import Clock
from aqueue.errors import AQueueError, QueueClosed
from aqueue.store.base import Answer
from aqueue.store.memory.tables import MemoryTables
from aqueue.store.operations import Operation

__all__ = ["MemorySession", "MemoryStore"]

R = TypeVar("R")


class MemoryStore:
    """Jobs in dictionaries."""

    def __init__(self) -> None:
        """Create an empty store."""
        self._tables = MemoryTables()

    @asynccontextmanager
    async def open(
        self,
        *,
        clock: Clock,
        random: Random,  # noqa: ARG002 - the seam's signature
    ) -> AsyncGenerator[MemorySession]:
        """Open for the life of the context."""
        session = MemorySession(self._tables, clock)
        await checkpoint()
        try:
            yield session
        finally:
            session.close()


class MemorySession:
    """An open MemoryStore."""

    def __init__(self, tables: MemoryTables, clock: Clock) -> None:
        """Run operations on the tables, stamped by the clock."""
        self._tables = tables
        self._clock = clock
        self._is_open = True

    def close(self) -> None:
        """Refuse operations from now on."""
        self._is_open = False

    async def perform(self, operation: Operation[R]) -> R:
        """Run the operation at once, then let others run (so it has happened, if cancelled here)."""
        reply = self._apply(operation)
        await checkpoint()
        return reply

    async def perform_all(self, operations: Sequence[Operation[Any]]) -> list[Answer]:
        """Run each at once, then let others run (so they have happened, if cancelled here)."""
        self._assert_open()
        answers: list[Answer] = []
        for operation in operations:
            try:
                answers.append((self._apply(operation), None))
            except Exception as error:  # of any kind: it is this operation's own
                answers.append((None, error))
        await checkpoint()
        return answers

    def post(self, operation: Operation[object]) -> None:
        """Run the operation at once and drop its reply."""
        with suppress(AQueueError):
            self._apply(operation)

    def _assert_open(self) -> None:
        if not self._is_open:
            raise QueueClosed(
                "the store was used after its queue closed",
                expected="an open queue",
                advice="keep the work inside `async with queue:`",
            )

    def _apply(self, operation: Operation[R]) -> R:
        self._assert_open()
        with self._tables.atomic():
            return operation.apply(self._tables, self._clock.now_ms())
