"""Writes of a handler that are committed together with its job's success, in the queue's own database.

Rule 1: the statements are gathered and run by the store, in the transaction that settles the job, after its guard: a
        worker that lost its job writes nothing. So the writes happen exactly once, for a job that succeeds.
Rule 2: nobody else's transaction is in the user's hands. What is gathered can neither commit nor roll back, nor touch
        the queue's own tables; an exception in the block drops it.
Rule 3: an attempt succeeds once. After that block the job is settled, whatever the handler does next.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, cast

import anyio
from msgspec.structs import replace

from aqueue.codec import encode_value
from aqueue.errors import LeaseLost, StoreUnavailable, WriteRefused
from aqueue.lifecycle import Succeed
from aqueue.store.base import Session, insist
from aqueue.store.operations import Settle, Statement
from aqueue.store.rows import NewJob

__all__ = ["Ending", "Transaction", "settling"]


@dataclass(eq=False, slots=True)
class Ending:
    """What a handler has said so far of how its attempt is to end.

    template: the success of this attempt, without what it brings along.   is_settled: it has been written,
    with this result.   is_over: the handler has ended, whatever tasks of its own it left.
    """

    template: Settle
    on_settled: Callable[[], None]
    follow_ups: list[NewJob] = field(default_factory=list[NewJob])
    result: bytes | None = None
    is_settled: bool = False
    is_in_doubt: bool = False
    is_over: bool = False

    def assert_goes_on(self) -> None:
        """Raise LeaseLost if the handler has ended: its job is settled, and a settlement that is doubled looks fine."""
        if self.is_over:
            raise LeaseLost(
                f"the handler of attempt {self.template.step.attempt} of job {self.template.job_id} has ended",
                expected="its Context to be used by the handler, before it ends",
                advice="wait for what the handler starts, in a task group; nothing was written",
            )

    def success(self, result: bytes, writes: Sequence[Statement] = ()) -> Settle:
        """The settlement of a handler that is done."""
        template = self.template
        if not writes and not self.follow_ups:
            return replace(template, result=result)
        return Settle(
            template.job_id,
            template.worker,
            template.step,
            result=result,
            breaker=template.breaker,
            writes=tuple(writes),
            follow_ups=tuple(self.follow_ups),
        )


class Transaction:
    """Statements gathered for one commit. result: what the job returns; a later return value comes too late.

    is_over: the block has been left.
    """

    def __init__(self) -> None:
        """Gather nothing yet."""
        self.result: Any = None
        self.statements: list[Statement] = []
        self.is_over = False

    def execute(self, sql: str, parameters: Sequence[object] = (), *, rows: int | None = None) -> None:
        """Have one statement run when the block is left: INSERT, UPDATE or DELETE on tables of your own.

        rows: how many it must change, else everything is refused: the place for a guard, as in
        `tx.execute("UPDATE account SET balance=balance-? WHERE id=? AND balance>=?", (5, 1, 5), rows=1)`.

        Raises WriteRefused if the block has been left, or this is no text with a sequence of values.
        """
        if self.is_over:
            raise _refused(sql, "its tx() block has been left", "statements inside of the block", "move it there")
        if not isinstance(cast("object", sql), str):
            raise _refused(sql, f"it is a {type(sql).__name__}", "one statement, as a str", "write it as a text")
        # A mapping would be gathered as its keys, and a text as its letters.
        if not _is_sequence(parameters):
            raise _refused(
                sql,
                f"parameters that are a {type(parameters).__name__} cannot be bound by position",
                "a list or a tuple of values",
                "write (value,) for a single one, and placeholders without names",
            )
        self.statements.append(Statement(sql, tuple(parameters), rows))


def _is_sequence(parameters: object) -> bool:
    """Whether these are values in an order, and not one value that happens to have parts."""
    return isinstance(parameters, Sequence) and not isinstance(parameters, str | bytes | bytearray | memoryview)


def _refused(sql: object, why: str, expected: str, advice: str) -> WriteRefused:
    return WriteRefused(f"{sql!r:.200}: {why}", expected=expected, advice=f"{advice}; nothing was written")


@asynccontextmanager
async def settling(
    ending: Ending, session: Session, random: Random, settle_seconds: float
) -> AsyncGenerator[Transaction]:
    """Commit what is gathered inside, and the job's success with it; nothing if the block is left with an exception.

    Raises WriteRefused (nothing was written, the job still runs), LeaseLost (nothing was written, the job is somebody
    else's), StoreUnavailable (it may have been written; the next attempt, if there is one, finds out by its absence).
    Cancelled on leaving: it is committed first.
    """
    if ending.is_settled or ending.is_in_doubt:
        raise WriteRefused(
            f"an earlier tx() has settled attempt {ending.template.step.attempt} of job {ending.template.job_id}",
            expected="one tx() block per attempt, as the last thing its handler does",
            advice="gather all statements in one block",
        )
    transaction = Transaction()
    try:
        yield transaction
    finally:
        transaction.is_over = True
    assert isinstance(ending.template.step, Succeed)
    result = encode_value(transaction.result, of="the result of tx()")
    operation = ending.success(result, transaction.statements)
    ending.is_in_doubt = True
    try:
        with anyio.move_on_after(settle_seconds, shield=True):
            await insist(session, operation, random=random)
            ending.is_settled, ending.result = True, result
            ending.on_settled()
            return
    except (WriteRefused, LeaseLost):
        ending.is_in_doubt = False
        raise
    except anyio.get_cancelled_exc_class():
        # Killed in spite of the shield (asyncio's Task.cancel): sent again, it is recognised, writes and all.
        session.post(operation)
        raise
    raise StoreUnavailable(
        "the store did not answer in time to tx()",
        expected="the store to answer",
        advice="let the handler end; if the commit happened, the job is done, else it is tried again",
    )
