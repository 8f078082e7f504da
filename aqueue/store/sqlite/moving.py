"""Which jobs are ready in SQLite, and many jobs moved by one statement: the two steps that every job takes.

Rule 1: the statement is the transition of lifecycle.advance, guard and all; tests/aqueue/test_together.py holds them
        against each other.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from aqueue.errors import LeaseLost
from aqueue.lifecycle import Claim
from aqueue.store.columns import JOB, KEY_IS_FREE, LIFE, job_row
from aqueue.store.looking import NEAR, Words
from aqueue.store.rows import JobRow, Narrowing, Success
from aqueue.store.sqlite.deep import deep_ids, is_deep
from aqueue.store.sqlite.log import Line

__all__ = ["Outlook", "claim_rows", "outlook", "ready_rows", "succeed_rows"]

_ROW: Final = ",".join((*JOB, *LIFE))
# The first in the order of urgency. What is taken from them is taken in that order, without sorting what is left.
_NEAREST: Final = (
    "(SELECT * FROM aq_job INDEXED BY aq_ready WHERE state='pending' ORDER BY priority DESC, run_at, id "
    f"LIMIT {NEAR}) j"
)
# The index is named where the order of urgency would tempt SQLite to look through all that is pending.
_DUE: Final = {
    source: f" FROM {source} WHERE j.state='pending' AND j.run_at<=? AND (j.order_key IS NULL OR {KEY_IS_FREE})"
    for source in (_NEAREST, "aq_job j INDEXED BY aq_deadline", "aq_job j INDEXED BY aq_crashed")
}
_URGENCY: Final = " ORDER BY j.priority DESC, j.run_at, j.id LIMIT ?"
# By number of jobs: one statement for many opens the table and its indexes once. OR FAIL, here and below: what is
# changed before an error is undone by our own savepoint or transaction, so SQLite need not keep a copy of each page.
_SUCCEED: Final = {
    count: "UPDATE OR FAIL aq_job SET state='succeeded',worker=NULL,claim_nonce=NULL,lease_until=NULL,finished_at=?,"
    f"result=s.column3 FROM (VALUES{','.join(['(?,?,?)'] * count)}) s "
    "WHERE id=s.column1 AND attempt=s.column2 AND state='running'"
    for count in (16, 8, 4, 2, 1)
}
_CLAIM: Final = (
    "UPDATE OR FAIL aq_job SET state='running',attempt=attempt+1,worker=?,claim_nonce=?,lease_until=? "
    "WHERE id IN(SELECT j.id"
)
_OF_IDS: Final = " FROM aq_job j WHERE j.id IN (SELECT value FROM json_each(?))"
_CLAIMED: Final = f") RETURNING {_ROW}"
_OUTLOOK: Final = (
    "SELECT EXISTS(SELECT 1 FROM aq_job WHERE state='pending' AND deadline<=?),"
    "EXISTS(SELECT 1 FROM aq_job WHERE state='pending' AND crashes>0),"
    "(SELECT min(run_at) FROM aq_job WHERE state='pending' AND run_at>?)"
)
_ANY_EFFECT: Final = "SELECT 1 FROM aq_effect LIMIT 1"  # asked first: many queues have none
_EFFECTS: Final = (
    "SELECT job_id,count(*) FROM aq_effect WHERE state='applied' "
    "AND job_id IN (SELECT value FROM json_each(?)) GROUP BY job_id"
)


class Outlook(NamedTuple):
    """Whether there are pending jobs past their deadline, and such as lost a lease; when the next one will be due.

    A claim does not change it but for the better: what it takes is due.
    """

    has_overdue: bool
    has_crashed: bool
    next_run_at: int | None


def outlook(connection: sqlite3.Connection, now: int) -> Outlook:
    """Look for the rare jobs that a claim asks for first, without reading any, and beyond those that are due."""
    has_overdue, has_crashed, next_run_at = connection.execute(_OUTLOOK, (now, now)).fetchone()
    return Outlook(bool(has_overdue), bool(has_crashed), next_run_at)


def ready_rows(connection: sqlite3.Connection, now: int, limit: int, narrowing: Narrowing) -> list[JobRow]:
    """Due pending jobs whose key is free, highest priority first, then oldest due first."""
    sql, values = _due(now, limit, narrowing)
    rows = [job_row(columns) for columns in connection.execute(f"SELECT {_ROW}{sql}", values)]
    if len(rows) < limit and _may_be_deeper(connection, narrowing):
        ids = json.dumps(deep_ids(connection, now, limit, narrowing))
        rows = [job_row(columns) for columns in connection.execute(f"SELECT {_ROW}{_OF_IDS}", (ids,))]
    rows.sort(key=_urgency)
    return rows


def claim_rows(
    connection: sqlite3.Connection, now: int, limit: int, narrowing: Narrowing, claim: Claim
) -> tuple[list[JobRow], list[Line]]:
    """Claim what `ready_rows` would find, and return it as it is then, in that order, with the lines to log."""
    sql, values = _due(now, limit, narrowing)
    claimer = (claim.worker, claim.nonce, claim.lease_until)
    columns = connection.execute(f"{_CLAIM}{sql}{_CLAIMED}", (*claimer, *values)).fetchall()
    if len(columns) < limit and _may_be_deeper(connection, narrowing):
        ids = json.dumps(deep_ids(connection, now, limit - len(columns), narrowing))
        columns += connection.execute(f"{_CLAIM}{_OF_IDS}{_CLAIMED}", (*claimer, ids)).fetchall()
    rows = [job_row(each) for each in columns]
    if len(rows) > 1:
        rows.sort(key=_urgency)
    return rows, [(row.id, now, "claimed", row.life.attempt, claim.worker, None) for row in rows]


def _urgency(row: JobRow) -> tuple[int, int, int]:
    return (-row.priority, row.life.run_at, row.id)


def _may_be_deeper(connection: sqlite3.Connection, narrowing: Narrowing) -> bool:
    """Whether what was found is not all there is."""
    return not narrowing.overdue and not narrowing.isolated and is_deep(connection)


def _due(now: int, limit: int, narrowing: Narrowing) -> tuple[str, list[object]]:
    """What follows the columns of a query of ready jobs, and its values; of the nearest jobs, where there are many."""
    source = "aq_job j INDEXED BY aq_crashed" if narrowing.isolated else _NEAREST
    source = "aq_job j INDEXED BY aq_deadline" if narrowing.overdue else source
    sql, values = _WORDS.narrowed(narrowing, now)
    sql = _DUE[source] + sql
    return sql + (" LIMIT ?" if source == _NEAREST else _URGENCY), [now, *values, limit]


@lru_cache(maxsize=16)
def _listed(names: frozenset[str]) -> str:
    return json.dumps(sorted(names))


# The sign keeps SQLite from looking for each task by its own index, and sorting what it finds.
_WORDS: Final = Words(
    "?",
    only="+j.task IN (SELECT value FROM json_each(?))",
    without="j.task NOT IN (SELECT value FROM json_each(?))",
    listed=_listed,
)


def succeed_rows(connection: sqlite3.Connection, successes: Sequence[Success], now: int) -> list[Line]:
    """Settle running jobs, each at its attempt, and return the lines to log. Raises LeaseLost if one is not."""
    changed, done = 0, 0
    for count, sql in _SUCCEED.items():
        while len(successes) - done >= count:
            values: list[object] = [now]
            for s in successes[done : done + count]:
                values += (s.job_id, s.attempt, s.result)
            changed += connection.execute(sql, values).rowcount
            done += count
    if changed != len(successes):
        raise LeaseLost(
            f"{len(successes) - changed} of {len(successes)} jobs changed before they were settled",
            expected="each to be running at the attempt that ended",
            advice="nothing; they are settled one by one, and those that somebody else owns are refused",
        )
    effects: dict[int, int] = {}
    if connection.execute(_ANY_EFFECT).fetchone() is not None:
        effects.update(connection.execute(_EFFECTS, (json.dumps([s.job_id for s in successes]),)))
    return [(s.job_id, now, "succeeded", s.attempt, s.worker, f"effects={effects.get(s.job_id, 0)}") for s in successes]
