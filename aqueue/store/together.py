"""Operations of one transaction that are one piece of work: successes next to each other are settled in one go.

Rule 1: what comes out is what each would have done by itself, in the same order (tests/aqueue/test_together.py).
Rule 2: where one of them would have been refused, all of it raises, and has to be undone and done one by one.
"""

from __future__ import annotations

from collections.abc import Sequence

from aqueue.lifecycle import Succeed
from aqueue.store.operations import Operation, Settle
from aqueue.store.rows import Success, Tables

__all__ = ["apply_together", "is_plain_success"]


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


def apply_together(tables: Tables, operations: Sequence[Operation[object]], now: int) -> list[object]:
    """Run all of them and return their replies. Raises what one of them raises; then none of it may be kept."""
    replies: list[object] = []
    successes: list[Success] = []
    for operation in operations:
        if is_plain_success(operation):
            assert isinstance(operation, Settle)
            successes.append(Success(operation.job_id, operation.step.attempt, operation.worker, operation.result))
            continue
        if successes:
            replies += _succeed(tables, successes, now)
            successes = []
        replies.append(operation.apply(tables, now))
    if successes:
        replies += _succeed(tables, successes, now)
    return replies


def _succeed(tables: Tables, successes: list[Success], now: int) -> list[str]:
    tables.succeed(successes, now)
    return ["succeeded"] * len(successes)
