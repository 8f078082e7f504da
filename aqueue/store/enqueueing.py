"""Enqueueing: new jobs into a store, within its bounds.

Repeated, because its reply was lost, it finds its own jobs by their uid and adds nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from msgspec import Struct

from aqueue.lifecycle import Life
from aqueue.store.limits import QUEUE, assert_room, task_scope
from aqueue.store.rows import Event, JobRow, NewJob
from aqueue.store.tables import Tables

__all__ = ["Enqueue", "Enqueued", "enqueue_one"]


class Enqueued(Struct, frozen=True, gc=False):
    """What became of a request to enqueue. created: False if a live job of its unique key stands for it."""

    job_id: int
    created: bool


@dataclass(frozen=True, slots=True)
class Enqueue:
    """T0: insert jobs, all or none. Replies in the order of `jobs`.

    max_pending: by scope ("queue", "task:NAME"), how many jobs may be pending afterwards.
    """

    jobs: tuple[NewJob, ...]
    max_pending: Mapping[str, int] = field(default_factory=dict[str, int])

    def apply(self, tables: Tables, now: int) -> tuple[Enqueued, ...]:
        """Insert what is not there yet. Raises QueueFull."""
        if self.max_pending:
            assert_room(tables, self.max_pending, self._counts(tables))
        return tuple(enqueue_one(tables, job, now) for job in self.jobs)

    def _counts(self, tables: Tables) -> Mapping[str, int]:
        """How many jobs would be added to each scope: not those that are there, or have a live twin."""
        counts: dict[str, int] = {}
        for job in self.jobs:
            is_there = tables.job_with_uid(job.uid) is not None
            if is_there or (job.unique_key is not None and tables.live_twin(job.task, job.unique_key) is not None):
                continue
            for scope in (QUEUE, task_scope(job.task)):
                counts[scope] = counts.get(scope, 0) + 1
        return counts


def enqueue_one(tables: Tables, new: NewJob, now: int) -> Enqueued:
    """Insert one job inside a transaction, unless it is there, or a live twin stands for it."""
    if new.unique_key is not None:
        known = tables.job_with_uid(new.uid)  # or it would be its own twin
        if known is not None:
            return Enqueued(known, created=True)
        twin = tables.live_twin(new.task, new.unique_key)
        if twin is not None:
            return Enqueued(twin, created=False)
    life = Life(
        run_at=now + new.delay_ms,
        max_attempts=new.max_attempts,
        max_claims=new.max_claims,
        max_redrives=new.max_redrives,
    )
    row = JobRow(
        id=0,
        uid=new.uid,
        task=new.task,
        payload=new.payload,
        payload_crc=new.payload_crc,
        priority=new.priority,
        deadline=None if new.deadline_ms is None else now + new.deadline_ms,
        order_key=new.order_key,
        unique_key=new.unique_key,
        created_at=now,
        life=life,
        headers=new.headers,
    )
    job_id = tables.insert_job(row)
    if job_id is None:
        known = tables.job_with_uid(new.uid)
        assert known is not None, new
        return Enqueued(known, created=True)
    tables.append_event(Event(job_id, now, "enqueued", 0))
    return Enqueued(job_id, created=True)
