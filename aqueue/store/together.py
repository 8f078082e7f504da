"""Operations of one transaction that are one piece of work: successes next to each other are settled in one go.

Rule 1: what comes out is what each would have done by itself, in the same order (tests/aqueue/test_together.py).
Rule 2: where one of them would have been refused, all of the transaction is to be undone, and done one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from aqueue.lifecycle import State, Succeed
from aqueue.store.operations import Operation, Settle
from aqueue.store.rows import Success
from aqueue.store.tables import Tables

__all__ = ["Successes", "is_plain_success", "pieces", "replies_of"]

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Successes:
    """Settlements of jobs that succeeded, non-empty."""

    jobs: tuple[Success, ...]

    def apply(self, tables: Tables, now: int) -> tuple[State, ...]:
        """Settle all of them. Raises LeaseLost if one is not at its attempt; then nothing may be kept."""
        tables.succeed(self.jobs, now)
        return tuple("succeeded" for _ in self.jobs)


def is_plain_success(operation: Operation[object]) -> bool:
    """Whether it settles one job as succeeded, and does nothing else."""
    return (
        type(operation) is Settle
        and type(operation.step) is Succeed
        and operation.breaker is None
        and operation.error is None
        and not operation.writes
        and not operation.follow_ups
    )


def pieces(operations: Sequence[Operation[object]]) -> list[Operation[object]]:
    """The same work, in the same order, with plain successes that are next to each other in one piece."""
    found: list[Operation[object]] = []
    successes: list[Success] = []
    for operation in operations:
        if is_plain_success(operation):
            assert isinstance(operation, Settle)
            successes.append(Success(operation.job_id, operation.step.attempt, operation.worker, operation.result))
            continue
        if successes:
            found.append(Successes(tuple(successes)))
            successes = []
        found.append(operation)
    if successes:
        found.append(Successes(tuple(successes)))
    return found


def replies_of(work: Sequence[Operation[object]], answers: Sequence[tuple[Any, R]]) -> list[tuple[Any, R]]:
    """An answer for each operation, of one for each piece."""
    replies: list[tuple[Any, R]] = []
    for piece, (reply, error) in zip(work, answers, strict=True):
        if isinstance(piece, Successes):
            each = [None] * len(piece.jobs) if reply is None else reply
            replies += [(state, error) for state in each]
        else:
            replies.append((reply, error))
    return replies
