"""Which jobs are ready in PostgreSQL, each locked as it is found.

A claim looks through the nearest in the order of urgency. If that was not enough, and there are more, the first of each
heap of like jobs are found (deep.py), and those are looked at.
Rule 1: a row that somebody else has locked is being dealt with: passed over, not waited for. No row is locked that is
        not returned, so that nobody passes over it for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from aqueue.store.looking import NEAR, Words
from aqueue.store.postgres.deep import DEEP_IDS, IS_DEEP, deep_values
from aqueue.store.postgres.sql import IS_FREE, SELECT
from aqueue.store.postgres.statements import Statements
from aqueue.store.rows import Narrowing

__all__ = ["ready_columns"]

_DUE: Final = f"j.run_at<=%s AND {IS_FREE}"
# As an expression, which no index has: a job that is named is looked for by its id, and not among all that are pending.
_PENDING: Final = "j.state||''='pending'"
_TAKEN: Final = "LIMIT %s FOR UPDATE OF j SKIP LOCKED"
# What is looked through, and its order: all jobs, the nearest in the order of urgency, those of a list.
_ALL: Final = (f"{SELECT} WHERE j.state='pending' AND {_DUE}", f" ORDER BY j.priority DESC, j.run_at, j.id {_TAKEN}")
_NEAREST: Final = (
    f"{SELECT} JOIN (SELECT id,priority,run_at FROM aq_job WHERE state='pending' "
    f"ORDER BY priority DESC, run_at, id LIMIT {NEAR}) n ON j.id=n.id WHERE {_PENDING} AND {_DUE}",
    f" ORDER BY n.priority DESC, n.run_at, n.id {_TAKEN}",
)
_LISTED: Final = (
    f"{SELECT} JOIN unnest(%s::bigint[]) WITH ORDINALITY AS n(id,place) ON j.id=n.id WHERE {_PENDING} AND {_DUE}",
    f" ORDER BY n.place {_TAKEN}",
)
# An expression has no index, so that the order of urgency is the one that is followed.
_WORDS: Final = Words("%s", only="j.task||''=ANY(%s)", without="j.task<>ALL(%s)", listed=sorted)
# Found beyond those that are asked for, because others may have locked the first; times this if that was not enough.
_SPARE: Final = 8


def ready_columns(
    statements: Statements, now: int, limit: int, narrowing: Narrowing, *, is_deep: bool | None
) -> list[Any]:
    """Due pending jobs whose key is free, most urgent first. is_deep: whether IS_DEEP holds, None if not known."""
    if narrowing.overdue or narrowing.isolated:
        return _look(statements, _ALL, (), now, limit, narrowing)
    found = _look(statements, _NEAREST, (), now, limit, narrowing)
    if len(found) == limit or is_deep is False:
        return found
    if is_deep is None and not statements.ask(f"SELECT {IS_DEEP}")[0][0]:
        return found
    wanted = limit * _SPARE
    while True:
        ids = [job_id for (job_id,) in statements.ask_named(DEEP_IDS, deep_values(now, wanted, narrowing))]
        found = _look(statements, _LISTED, (ids,), now, limit, narrowing)
        if len(found) == limit or len(ids) < wanted:
            return found
        wanted *= _SPARE


def _look(
    statements: Statements,
    through: tuple[str, str],
    source: Sequence[object],
    now: int,
    limit: int,
    narrowing: Narrowing,
) -> list[Any]:
    query, order = through
    condition, values = _WORDS.narrowed(narrowing, now)
    return statements.ask(query + condition + order, *source, now, *values, limit)
