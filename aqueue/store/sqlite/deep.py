"""Ready jobs in SQLite behind many others: by task, in the index that has what can be left out, from heap to heap.

The order of urgency leads past every job that cannot be had: delayed, of a task that is full, paused or unknown, after
failures without budget, blocked by its key. Here each heap of like jobs is asked for its first ones alone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from itertools import islice
from typing import Final, TypeAlias

from aqueue.store import looking
from aqueue.store.columns import EVERY_KEY, KEY_IS_FREE, LIVE, PENDING_TASKS
from aqueue.store.looking import crashes_below
from aqueue.store.rows import Narrowing

__all__ = ["deep_ids", "is_deep"]

_DEEP: Final = "SELECT 1 FROM aq_job INDEXED BY aq_ready WHERE state='pending' LIMIT 1 OFFSET ?"
_HEAP: Final = (
    f"FROM aq_job j INDEXED BY aq_task WHERE j.task=? AND j.state='pending' AND j.{LIVE} "
    "AND (j.order_key IS NOT NULL)=? AND (j.failures>0)=?"
)
_NEXT_PRIORITY: Final = f"SELECT max(j.priority) {_HEAP} AND j.priority<?"
_URGENT: Final = f"SELECT -j.priority,j.run_at,j.id {_HEAP} AND j.priority=? AND j.run_at<=? AND j.crashes<?"
_ORDER: Final = " ORDER BY j.run_at, j.id LIMIT ?"
_FIRST: Final = {0: _URGENT + _ORDER, 1: f"{_URGENT} AND {KEY_IS_FREE}{_ORDER}"}
# The place is that of how many keys are looked for.
_OLDEST: Final = (
    f"WITH RECURSIVE {EVERY_KEY} SELECT (SELECT id FROM aq_job WHERE order_key=k.name AND order_key IS NOT NULL "
    f"AND {LIVE} ORDER BY id LIMIT 1) FROM every_key k WHERE k.name IS NOT NULL LIMIT ?"
)
_OLDEST_READY: Final = (
    "SELECT -j.priority,j.run_at,j.id,j.task,j.failures FROM aq_job j WHERE j.id=? AND j.state='pending' "
    f"AND j.run_at<=? AND j.crashes<? AND {KEY_IS_FREE}"
)
_ABOVE_ALL: Final = 2.0**63  # integers of SQLite are smaller

Urgency: TypeAlias = tuple[int, int, int]


def is_deep(connection: sqlite3.Connection) -> bool:
    """Whether more jobs are pending than are looked through in the order of urgency."""
    return connection.execute(_DEEP, (looking.NEAR,)).fetchone() is not None


def deep_ids(connection: sqlite3.Connection, now: int, limit: int, narrowing: Narrowing) -> list[int]:
    """The ids of the first ready jobs, in the order of urgency. narrowing: not of overdue or isolated ones."""
    assert not narrowing.overdue, narrowing
    assert not narrowing.isolated, narrowing
    oldest = [job_id for (job_id,) in connection.execute(_OLDEST, (looking.KEYS_MAX + 1,))]
    by_key = len(oldest) <= looking.KEYS_MAX
    crashes = crashes_below(narrowing)
    found: list[Urgency] = []
    for task in _tasks(connection, narrowing):
        for has_key in (0,) if by_key else (0, 1):
            for has_failed in (0,) if narrowing.fresh_only else (0, 1):
                heap = (task, has_key, has_failed)
                found += islice(_urgent(connection, heap, now, crashes, limit), limit)
    for job_id in oldest if by_key else ():
        for *urgency, task, failures in connection.execute(_OLDEST_READY, (job_id, now, crashes)):
            if _is_wanted(task, narrowing) and not (failures and narrowing.fresh_only):
                found.append((urgency[0], urgency[1], urgency[2]))
    return [job_id for _, _, job_id in sorted(found)[:limit]]


def _urgent(
    connection: sqlite3.Connection, heap: tuple[str, int, int], now: int, crashes: int, limit: int
) -> Iterator[Urgency]:
    """The first of one heap, from priority to priority."""
    priority: float | None = _ABOVE_ALL
    while True:
        (priority,) = connection.execute(_NEXT_PRIORITY, (*heap, priority)).fetchone()
        if priority is None:
            return
        yield from connection.execute(_FIRST[heap[1]], (*heap, priority, now, crashes, limit)).fetchall()


def _tasks(connection: sqlite3.Connection, narrowing: Narrowing) -> list[str]:
    pending = [task for (task,) in connection.execute(PENDING_TASKS.format("?"), (-1,))]
    return [task for task in pending if _is_wanted(task, narrowing)]


def _is_wanted(task: str, narrowing: Narrowing) -> bool:
    return task not in narrowing.without and (narrowing.only is None or task in narrowing.only)
