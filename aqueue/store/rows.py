"""What is stored. All times are wall-clock milliseconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from msgspec import Struct

from aqueue.lifecycle import EventKind, Life, State

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
    "ProgressRow",
    "ScheduleRow",
    "Success",
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
class ProgressRow:
    """What the handler of a job said last of how far it is. value: as JSON."""

    job_id: int
    attempt: int
    value: bytes
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
