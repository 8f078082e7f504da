"""Removing what ended long ago: jobs with their log, their effects and the fires that made them.

Rule 1: only what has ended, for as long as its state is kept, and is not put aside. What is live is never removed.
Rule 2: a page of jobs is one short transaction. Whoever prunes goes on from the page's end, and begins anew when it
        comes to jobs that are too young to be removed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aqueue.lifecycle import State
from aqueue.store.deadletter import is_parked
from aqueue.store.rows import JobRow
from aqueue.store.tables import Tables

__all__ = ["Prune", "Pruned"]


@dataclass(frozen=True, slots=True)
class Pruned:
    """removed: how many jobs.   after: where the next page begins.   goes_on: whether it is worth looking at now."""

    removed: int
    after: int
    goes_on: bool


@dataclass(frozen=True, slots=True)
class Prune:
    """T12: look at up to `limit` ended jobs with a higher id than `after`, and remove those whose time is over.

    keep_ms: how long a job is kept after its end, by its state; jobs in other states are kept.
    """

    after: int
    keep_ms: Mapping[State, int]
    limit: int = 500

    def apply(self, tables: Tables, now: int) -> Pruned:
        """Remove them; twice is as good."""
        rows = tables.jobs_after(self.after, frozenset(self.keep_ms), self.limit)
        removed = tables.remove_ended([row for row in rows if self._is_over(row, now)])
        if len(rows) < self.limit or self._are_young(rows, now):
            return Pruned(removed, 0, goes_on=False)
        return Pruned(removed, rows[-1].id, goes_on=True)

    def _is_over(self, row: JobRow, now: int) -> bool:
        ended_at = row.life.finished_at
        return ended_at is not None and ended_at <= now - self.keep_ms[row.life.state] and not is_parked(row)

    def _are_young(self, rows: list[JobRow], now: int) -> bool:
        """Whether nothing that follows can be over: ids ascend with time, except where a clock was ahead of it."""
        return all(now - min(self.keep_ms.values()) < row.created_at <= now for row in rows)
