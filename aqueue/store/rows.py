"""What is stored, and the few things an operation may do with it.

Tables is the seam between the operations (operations.py, ledger.py: one body for every store) and a place that
keeps rows. Tables decides nothing: it finds, inserts, and replaces a row that is still what the caller read.
All times are wall-clock milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from msgspec import Struct

from aqueue.lifecycle import Claim, EventKind, Life, State

__all__ = [
    "BreakerRow",
    "Catchup",
    "EffectRow",
    "Event",
    "FireRow",
    "JobRow",
    "LimitRow",
    "Narrowing",
    "NewJob",
    "ScheduleRow",
    "Success",
    "Tables",
    "TaskCount",
    "Violation",
    "Written",
]

Catchup: TypeAlias = Literal["last", "all", "none"]


class NewJob(Struct, frozen=True, gc=False):
    """A job as its enqueuer describes it.

    uid: names this one request to enqueue, so that it may be repeated.   headers: a JSON object of strings.
    """

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
    headers: str = "{}"


class JobRow(Struct, frozen=True, gc=False):
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
    headers: str = "{}"


class Event(Struct, frozen=True, gc=False):
    """One line of the log that every change of state writes. worker: None if no owner did it (sweep, user)."""

    job_id: int
    at: int
    kind: EventKind
    attempt: int
    worker: str | None = None
    detail: str | None = None


class Success(Struct, frozen=True, gc=False):
    """One job whose attempt has ended well, as its owner says."""

    job_id: int
    attempt: int
    worker: str
    result: bytes | None


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
class LimitRow:
    """What bounds the flow of one scope: "queue", "task:NAME", or "retries" (the retry budget).

    paused: nothing of it is claimed.   max_running, max_pending: None for no bound.   breaker: the circuit breaker a
    task is behind.
    A token bucket, in integers: each millisecond adds `gain` units, one job costs `cost`, and it holds at most
    `burst` times `cost`; it held `level` units at the time `level_at`. No bucket: gain is None.
    """

    scope: str
    paused: bool = False
    max_running: int | None = None
    max_pending: int | None = None
    breaker: str | None = None
    gain: int | None = None
    cost: int = 1
    burst: int = 0
    level: int = 0
    level_at: int = 0


@dataclass(frozen=True, slots=True)
class BreakerRow:
    """A circuit breaker. failures: in a row, while closed.   changed_at: when it took this state."""

    name: str
    state: Literal["closed", "open", "half-open"] = "closed"
    failures: int = 0
    changed_at: int = 0


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    """A cron schedule. template: the NewJob it makes, as JSON.   next_at: the nominal time that comes next."""

    name: str
    cron: str
    tz: str
    catchup: Catchup
    template: bytes
    next_at: int


@dataclass(frozen=True, slots=True)
class FireRow:
    """One nominal time of a schedule that has come. job_id: the job it made, None if the time was missed."""

    name: str
    fire_at: int
    job_id: int | None


class Narrowing(Struct, frozen=True, gc=False):
    """Which due jobs a claim can use.

    isolated: only those that lost that many leases in a row (True), or only the others (False); None for all.
    fresh_only: none that failed before.   without: no job of these tasks.   only: of no others, None for all.
    overdue: only those past their deadline.
    """

    isolate_after: int | None = None
    isolated: bool | None = None
    fresh_only: bool = False
    without: frozenset[str] = frozenset()
    overdue: bool = False
    only: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class TaskCount:
    """Jobs of one task in one state. due: pending ones whose time has come.   oldest_due: when it came first."""

    task: str
    state: State
    count: int
    due: int
    oldest_due: int | None


@dataclass(frozen=True, slots=True)
class Written:
    """What a statement of the user did. count: rows changed."""

    count: int


@dataclass(frozen=True, slots=True)
class Violation:
    """One invariant that does not hold. rows: what its query returned, non-empty."""

    invariant: str
    rows: tuple[tuple[object, ...], ...]


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
