"""What a store is: a place that runs operations, one transaction each.

It knows nothing of workers, retries or handlers. A queue opens a store and gets a session; a session is where a
fault injector wraps, because `perform` is the one await between the queue and its rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol, TypeAlias, TypeVar, runtime_checkable

import anyio

from aqueue.clock import Clock
from aqueue.errors import StoreUnavailable
from aqueue.log import logger
from aqueue.store.operations import Operation

__all__ = ["Answer", "GivesHints", "Hint", "JoinsTransactions", "Session", "Store", "insist"]

R = TypeVar("R")

Answer: TypeAlias = "tuple[Any, Exception | None]"
"""What an operation returned, and None; or None, and what it raised."""


class Session(Protocol):
    """An open store."""

    async def perform(self, operation: Operation[R]) -> R:
        """Run one operation as one transaction and return its reply.

        Operations start in the order of the calls. Cancelled here: the operation is carried out all the same, now or
        in a moment, unless the process ends first; repeating it is safe (operations.py, rule 2).
        Raises StoreUnavailable if it may or may not have happened, else what the operation raises (nothing happened).
        """
        ...

    async def perform_all(self, operations: Sequence[Operation[Any]]) -> list[Answer]:
        """Run several, each as `perform` does, in as few transactions as can be, and return an answer for each.

        An operation that raises is undone alone: its exception is its answer. Raises QueueClosed.
        Cancelled here: as in `perform`, for each of them.
        """
        ...

    def post(self, operation: Operation[object]) -> None:
        """Have the operation carried out after all earlier ones, without waiting for it. Its reply is dropped."""
        ...


class Store(Protocol):
    """A place that keeps jobs."""

    def open(self, *, clock: Clock, random: Random) -> AbstractAsyncContextManager[Session]:
        """Open for the life of the context. clock: stamps every transaction. random: for jitter only."""
        ...


@runtime_checkable
class JoinsTransactions(Protocol):
    """A store whose rows can be written in a transaction of the user's own."""

    def perform_within(self, connection: object, operation: Operation[R], clock: Clock) -> R:
        """Run one operation inside the user's transaction; if it raises, its writes alone are undone.

        Raises BadOption unless the connection is one of this database, with a transaction begun.
        """
        ...


@dataclass(frozen=True, slots=True)
class Hint:
    """What another process did, as far as is known. A hint may be lost, doubled or wrong: the store is the truth.

    work: there may be jobs to claim.   cancel: somebody asked to cancel a running job.
    settled: jobs that ended or go on to their next try, None if they are too many to name.
    """

    work: bool = False
    cancel: bool = False
    settled: tuple[int, ...] | None = ()


@runtime_checkable
class GivesHints(Protocol):
    """A session that hears of what other processes do."""

    def give_hints_to(self, hear: Callable[[Hint], None]) -> None:
        """Have every hint from now on told, on the event loop."""
        ...


async def insist(session: Session, operation: Operation[R], *, random: Random, tries: int = 5) -> R:
    """Perform an operation, and again with jittered backoff while the store does not answer.

    Safe because every operation may be repeated. Raises StoreUnavailable after the last try.
    Cancelled here: as in Session.perform.
    """
    assert tries >= 1, tries
    for done in range(tries - 1):
        try:
            return await session.perform(operation)
        except StoreUnavailable as error:
            pause = random.uniform(0.5, 1.0) * 0.05 * math.ldexp(1.0, done)
            logger().debug(
                "store.retried", operation=type(operation).__name__, failures=done + 1, pause_seconds=pause,
                error=error.happened,
            )  # fmt: skip
            await anyio.sleep(pause)
    return await session.perform(operation)
