"""What is stored, and the few things an operation may do with it.

Tables is the seam between the operations (operations.py, ledger.py: one body for every store) and a place that
keeps rows. Tables decides nothing: it finds, inserts, and replaces a row that is still what the caller read.
All times are wall-clock milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from aqueue.lifecycle import EventKind, Life, State

__all__ = ["EffectRow", "Event", "JobRow", "NewJob", "Tables", "Violation"]


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job as its enqueuer describes it. uid: names this one request to enqueue, so that it may be repeated."""

    uid: str
    task: str
    payload: bytes
    payload_crc: int
    delay_ms: int
    max_attempts: int
    max_claims: int
    max_redrives: int
    priority: int = 0
    deadline_ms: int | None = None
    order_key: str | None = None
    unique_key: str | None = None


@dataclass(frozen=True, slots=True)
class JobRow:
    """One job. deadline: the time after which running it is pointless."""

    id: int
    uid: str
    task: str
    payload: bytes
    payload_crc: int
    priority: int
    deadline: int | None
    order_key: str | None
    unique_key: str | None
    created_at: int
    life: Life
    error: str | None = None
    result: bytes | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the log that every change of state writes. worker: None if no owner did it (sweep, user)."""

    job_id: int
    at: int
    kind: EventKind
    attempt: int
    worker: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class EffectRow:
    """One line of the idempotency ledger. nonce: names the one `once` block that wrote the intent."""

    key: str
    job_id: int
    attempt: int
    nonce: str
    state: Literal["intent", "applied"]
    result: bytes | None
    at: int


@dataclass(frozen=True, slots=True)
class Violation:
    """One invariant that does not hold. rows: what its query returned, non-empty."""

    invariant: str
    rows: tuple[tuple[object, ...], ...]


class Tables(Protocol):
    """Rows inside one transaction. Every list comes in an order that depends on stored values only."""

    def insert_job(self, job: JobRow) -> int:
        """Insert, ignoring job.id, and return the id given."""
        ...

    def job(self, job_id: int) -> JobRow | None:
        """The job of this id."""
        ...

    def job_with_uid(self, uid: str) -> int | None:
        """The id of the job enqueued by this request."""
        ...

    def live_twin(self, task: str, unique_key: str) -> int | None:
        """The pending or running job of this task and key."""
        ...

    def replace_job(self, before: JobRow, after: JobRow) -> None:
        """Write `after` over `before`, in one guarded statement on (id, attempt, state)."""
        ...

    def ready(self, now: int, limit: int) -> list[JobRow]:
        """Due pending jobs whose key is free, highest priority first, then oldest due first."""
        ...

    def next_run_at(self, now: int) -> int | None:
        """When the next job that is not due yet will be."""
        ...

    def claimed_with(self, nonce: str) -> list[JobRow]:
        """Running jobs taken by this one request to claim, in the order of `ready`."""
        ...

    def expired(self, now: int, limit: int) -> list[JobRow]:
        """Running jobs whose lease ran out, oldest lease first."""
        ...

    def dead(self, limit: int) -> list[JobRow]:
        """Dead jobs, longest dead first."""
        ...

    def count_states(self) -> Mapping[State, int]:
        """How many jobs are in each state; states without a job may be absent."""
        ...

    def append_event(self, event: Event) -> None:
        """Write one line of the log."""
        ...

    def events(self, job_id: int) -> list[Event]:
        """The log of one job, oldest first."""
        ...

    def effect(self, key: str) -> EffectRow | None:
        """The ledger's line for this key."""
        ...

    def put_effect(self, effect: EffectRow) -> None:
        """Write the ledger's line for its key, over an older one if there is one."""
        ...

    def count_applied_effects(self, job_id: int) -> int:
        """How many effects this job applied."""
        ...

    def violations(self, *, now: int, grace_ms: int, free_slots: int) -> tuple[Violation, ...]:
        """Run every query of invariants.sql."""
        ...
