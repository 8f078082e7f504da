"""Spreading retries that would come at once: each pending one is given a time of its own, by chance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from aqueue.store.rows import JobRow
from aqueue.store.tables import Tables

__all__ = ["Postpone", "RetriesPage"]


@dataclass(frozen=True, slots=True)
class RetriesPage:
    """Read pending jobs with a higher id than `after`, lowest first. Returns them and the last id looked at."""

    after: int
    limit: int

    def apply(self, tables: Tables, now: int) -> tuple[tuple[JobRow, ...], int | None]:  # noqa: ARG002 - the seam's signature
        """Return those that failed before; None for the id if there are no more."""
        page = tables.jobs_after(self.after, frozenset({"pending"}), self.limit)
        return tuple(row for row in page if row.life.failures), page[-1].id if page else None


@dataclass(frozen=True, slots=True)
class Postpone:
    """Have each of these pending jobs due so many milliseconds from now, by (id, attempt)."""

    delays_ms: Mapping[tuple[int, int], int]

    def apply(self, tables: Tables, now: int) -> int:
        """Return how many were; one that was claimed meanwhile is left alone."""
        moved = 0
        for (job_id, attempt), delay_ms in self.delays_ms.items():
            row = tables.job(job_id)
            if row is not None and row.life.state == "pending" and row.life.attempt == attempt:
                tables.replace_job(row, replace(row, life=replace(row.life, run_at=now + delay_ms)))
                moved += 1
        return moved
