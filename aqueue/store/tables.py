"""The few things an operation may do with what is stored.

Tables is the seam between the operations (operations.py, ledger.py: one body for every store) and a place that
keeps rows. Tables decides nothing: it finds, inserts, and replaces a row that is still what the caller read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from aqueue.lifecycle import Claim, EventKind, State
from aqueue.store.rows import (
    BreakerRow,
    EffectRow,
    Event,
    FireRow,
    JobRow,
    LimitRow,
    Narrowing,
    ProgressRow,
    ScheduleRow,
    Success,
    TaskCount,
    Violation,
    Written,
)

__all__ = ["Tables"]


class Tables(Protocol):
    """Rows inside one transaction. Every list comes in an order that depends on stored values only."""

    def insert_job(self, job: JobRow) -> int | None:
        """Insert, ignoring job.id, and return the id given; None if a job of this uid is there."""
        ...

    def job(self, job_id: int) -> JobRow | None:
        """The job of this id. Where transactions run side by side: it stays as it is until this one ends."""
        ...

    def glance(self, job_id: int) -> JobRow | None:
        """The job of this id as it is now, for those who decide nothing by it."""
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

    def ready(self, now: int, limit: int, narrowing: Narrowing) -> list[JobRow]:
        """Due pending jobs whose key is free, highest priority first, then oldest due first.

        A key is free if no job of it runs and no older one is pending, whatever the narrowing leaves out.
        """
        ...

    def take_ready(self, now: int, limit: int, narrowing: Narrowing, claim: Claim) -> list[JobRow]:
        """Claim what `ready` finds, log it, and return the rows as they are then, in its order."""
        ...

    def succeed(self, successes: Sequence[Success], now: int) -> None:
        """Settle running jobs as succeeded, and log it: what operations.Settle does for each, if nothing is amiss.

        Raises LeaseLost if one of them is not running at its attempt; then all that this call did is to be undone.
        """
        ...

    def count_running(self, task: str) -> int:
        """How many jobs of the task are running."""
        ...

    def pending_tasks(self, limit: int) -> list[str]:
        """The first `limit` tasks that have a pending job, by their names."""
        ...

    def count_pending(self, task: str | None, limit: int) -> int:
        """How many jobs are pending, of one task or (None) of all, counted up to the limit."""
        ...

    def progress(self, job_id: int) -> ProgressRow | None:
        """What was said last of how far the job is."""
        ...

    def put_progress(self, row: ProgressRow) -> None:
        """Write what is said of a job, over what was said before; it goes with the job."""
        ...

    def limits(self) -> dict[str, LimitRow]:
        """Every limit, by scope.

        Where transactions run side by side: either they and what they count stay as they are until this one ends, or
        a limit that is written in spite of another transaction's undoes this one, which then runs again.
        """
        ...

    def put_limit(self, limit: LimitRow) -> None:
        """Write the limit of its scope, over an older one if there is one."""
        ...

    def breakers(self) -> dict[str, BreakerRow]:
        """Every circuit breaker, by name; as lasting as limits()."""
        ...

    def put_breaker(self, breaker: BreakerRow) -> None:
        """Write the breaker of its name, over an older one if there is one."""
        ...

    def schedules(self) -> dict[str, ScheduleRow]:
        """Every schedule, by name, in the order of the names; as lasting as limits()."""
        ...

    def put_schedule(self, schedule: ScheduleRow) -> None:
        """Write the schedule of its name, over an older one if there is one."""
        ...

    def delete_schedule(self, name: str) -> bool:
        """Remove a schedule, and say whether there was one. Its fires stay."""
        ...

    def add_fire(self, fire: FireRow) -> bool:
        """Write a fire, unless there is one for this name and time: then False."""
        ...

    def has_fired(self, name: str, fire_at: int) -> bool:
        """Whether there is a fire for this name and time."""
        ...

    def missed(self, limit: int) -> list[FireRow]:
        """Fires without a job, newest first, then by name."""
        ...

    def write(self, sql: str, parameters: Sequence[object]) -> Written:
        """Run one statement of the user on the user's own tables.

        Raises WriteRefused if it is not one that writes rows there, or if it fails.
        """
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

    def jobs_after(self, job_id: int, states: frozenset[State], limit: int) -> list[JobRow]:
        """Jobs in one of these states with a higher id, lowest id first."""
        ...

    def delete_job(self, job: JobRow) -> None:
        """Remove the row, in one guarded statement on (id, attempt, state). Its log and its effects stay."""
        ...

    def remove_ended(self, jobs: Sequence[JobRow]) -> int:
        """Remove those that are still as they were read, with all that is stored of them, and say how many.

        Where transactions run side by side: a job that another one is at stays.
        """
        ...

    def count_tasks(self, now: int) -> list[TaskCount]:
        """Every task and state that has a job, by task, then by state."""
        ...

    def count_events(self, since: int) -> dict[tuple[str, EventKind], int]:
        """Events written at `since` or later, by task and kind; the task is "" if the job's row is gone."""
        ...

    def storage_faults(self) -> tuple[str, ...]:
        """What the storage itself says is broken, in its own words; empty if nothing is, or it cannot tell."""
        ...
