"""The dead letter as a place to work in: read by task, put jobs aside, remove them for good.

Rule 1: each operation is of one job, and says the attempt it died at: a job that was redriven meanwhile is left alone.
Rule 2: the log of a removed job stays, so that it is known for ever what became of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from aqueue import lifecycle
from aqueue.lifecycle import PARKED, Refused
from aqueue.store.rows import Event, JobRow
from aqueue.store.tables import Tables

__all__ = ["DeadPage", "Park", "Purge", "Unpark", "came_back_with_the_same_error", "is_parked"]


def is_parked(row: JobRow) -> bool:
    """Whether the job was put aside."""
    return (row.life.dead_reason or "").startswith(PARKED)


@dataclass(frozen=True, slots=True)
class DeadPage:
    """Read dead jobs with a higher id than `after`, lowest first, each with its log. Reading changes nothing."""

    after: int
    limit: int

    def apply(self, tables: Tables, now: int) -> tuple[tuple[JobRow, tuple[Event, ...]], ...]:  # noqa: ARG002 - the seam's signature
        """Return up to `limit` of them."""
        rows = tables.jobs_after(self.after, frozenset({"dead"}), self.limit)
        return tuple((row, tuple(tables.events(row.id))) for row in rows)


@dataclass(frozen=True, slots=True)
class Park:
    """Put a dead job aside: no redrive takes it."""

    job_id: int
    attempt: int

    def apply(self, tables: Tables, now: int) -> str | None:
        """Return None if it is parked now, else why not."""
        return _relabel(tables, self.job_id, lifecycle.Park(self.attempt), now)


@dataclass(frozen=True, slots=True)
class Unpark:
    """Take a parked job back, so that it can be redriven."""

    job_id: int
    attempt: int

    def apply(self, tables: Tables, now: int) -> str | None:
        """Return None if it is not parked now, else why it cannot be said."""
        return _relabel(tables, self.job_id, lifecycle.Unpark(self.attempt), now)


@dataclass(frozen=True, slots=True)
class Purge:
    """Remove a dead job for good. Its log and the ledger's lines of its effects stay."""

    job_id: int
    attempt: int

    def apply(self, tables: Tables, now: int) -> str | None:  # noqa: ARG002 - the seam's signature
        """Return None if it is gone, also by an earlier call, else why not."""
        row = tables.job(self.job_id)
        if row is None:
            return None if tables.events(self.job_id) else "there is no such job"
        if row.life.state != "dead" or row.life.attempt != self.attempt:
            return f"the job is {row.life.state}, at attempt {row.life.attempt}"
        tables.delete_job(row)
        return None


def came_back_with_the_same_error(log: Sequence[Event]) -> bool:
    """Whether the job was redriven before and died of what it had died of: numbers in the error do not count."""
    deaths = [_fingerprint(event.detail) for event in log if event.kind == "buried"]
    return len(deaths) > 1 and deaths[-1] == deaths[-2]


def _fingerprint(detail: str | None) -> str:
    return re.sub(r"lease of .* ran out", "lease ran out", re.sub(r"\d+", "#", detail or ""))


def _relabel(tables: Tables, job_id: int, step: lifecycle.Park | lifecycle.Unpark, now: int) -> str | None:
    row = tables.job(job_id)
    if row is None:
        return "there is no such job"
    advanced = lifecycle.advance(row.life, step, now)
    if isinstance(advanced, Refused):
        return advanced.why
    if advanced.life != row.life:
        tables.replace_job(row, replace(row, life=advanced.life))
    return None
