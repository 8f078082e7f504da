"""Everything that can be done to stored jobs: each operation is data, and one synchronous body for every store.

Rule 1: one operation is one transaction. It decides by lifecycle.advance and writes the row and its event together.
Rule 2: every operation may be repeated blindly, because its first reply may have been lost: enqueue is recognised by
        its uid, claim by its nonce, a settlement and a redrive by the event they have already written.
Rule 3: LeaseLost is the only answer to an owner whose attempt is over, and then nothing was written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeAlias, TypeVar

from aqueue import lifecycle
from aqueue.errors import LeaseLost
from aqueue.lifecycle import EventKind, Life, Refused, State, Step
from aqueue.store.rows import Event, JobRow, NewJob, Tables

__all__ = [
    "Cancel",
    "Claim",
    "ClaimReply",
    "Enqueue",
    "Enqueued",
    "Lease",
    "Operation",
    "Redrive",
    "ReleaseClaim",
    "Renew",
    "Renewal",
    "Settle",
    "Settlement",
    "Sweep",
]

R_co = TypeVar("R_co", covariant=True)

Settlement: TypeAlias = (
    lifecycle.Succeed | lifecycle.Fail | lifecycle.Bury | lifecycle.Release | lifecycle.ConfirmCancel
)


class Operation(Protocol[R_co]):
    """One transaction, not yet run. Plain data: a store may run it now, later, or twice."""

    def apply(self, tables: Tables, now: int) -> R_co:
        """Run inside a transaction, at wall-clock time `now` in milliseconds."""
        ...


@dataclass(frozen=True, slots=True)
class Enqueued:
    """What became of a request to enqueue. created: False if a live job of its unique key stands for it."""

    job_id: int
    created: bool


@dataclass(frozen=True, slots=True)
class Enqueue:
    """T0: insert jobs, all or none. Replies in the order of `jobs`."""

    jobs: tuple[NewJob, ...]

    def apply(self, tables: Tables, now: int) -> tuple[Enqueued, ...]:
        """Insert what is not there yet."""
        return tuple(_enqueue(tables, job, now) for job in self.jobs)


def _enqueue(tables: Tables, new: NewJob, now: int) -> Enqueued:
    known = tables.job_with_uid(new.uid)
    if known is not None:
        return Enqueued(known, created=True)
    if new.unique_key is not None:
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
    )
    job_id = tables.insert_job(row)
    tables.append_event(Event(job_id, now, "enqueued", 0))
    return Enqueued(job_id, created=True)


@dataclass(frozen=True, slots=True)
class ClaimReply:
    """jobs: now owned by the claimer. wait_ms: time until the next job is due, None if none is or jobs is full."""

    jobs: tuple[JobRow, ...]
    wait_ms: int | None


@dataclass(frozen=True, slots=True)
class Claim:
    """T1: take up to `room` due jobs. lease_ms: for tasks that `leases_ms` does not name."""

    worker: str
    nonce: str
    room: int
    lease_ms: int
    leases_ms: Mapping[str, int] = field(default_factory=dict[str, int])

    def apply(self, tables: Tables, now: int) -> ClaimReply:
        """Take jobs, or return those that this very claim has taken before."""
        taken = tables.claimed_with(self.nonce)
        if not taken:
            taken = [self._take(tables, row, now) for row in tables.ready(now, self.room)]
        if len(taken) >= self.room:
            return ClaimReply(tuple(taken), None)
        next_run_at = tables.next_run_at(now)
        return ClaimReply(tuple(taken), None if next_run_at is None else next_run_at - now)

    def _take(self, tables: Tables, row: JobRow, now: int) -> JobRow:
        lease_until = now + self.leases_ms.get(row.task, self.lease_ms)
        step = lifecycle.Claim(worker=self.worker, nonce=self.nonce, lease_until=lease_until)
        taken = _step(tables, row, step, now, worker=self.worker)
        assert isinstance(taken, JobRow), (row, taken)
        return taken


@dataclass(frozen=True, slots=True)
class ReleaseClaim:
    """T6 for whatever a claim took whose reply never reached its worker. Does nothing if it took nothing."""

    nonce: str

    def apply(self, tables: Tables, now: int) -> int:
        """Give the jobs back and return how many there were."""
        rows = tables.claimed_with(self.nonce)
        for row in rows:
            step = lifecycle.Release(row.life.attempt, run_at=now)
            _step(tables, row, step, now, worker=row.life.worker, detail="claim abandoned")
        return len(rows)


@dataclass(frozen=True, slots=True)
class Lease:
    """One job in hand, as its owner knows it."""

    job_id: int
    attempt: int
    lease_ms: int


@dataclass(frozen=True, slots=True)
class Renewal:
    """What became of a lease. cancel_requested is False when the lease is lost."""

    held: bool
    cancel_requested: bool = False


@dataclass(frozen=True, slots=True)
class Renew:
    """T2 for every job of a worker. Replies in the order of `leases`."""

    leases: tuple[Lease, ...]

    def apply(self, tables: Tables, now: int) -> tuple[Renewal, ...]:
        """Extend what is still owned, from now."""
        return tuple(self._renew(tables, lease, now) for lease in self.leases)

    def _renew(self, tables: Tables, lease: Lease, now: int) -> Renewal:
        row = tables.job(lease.job_id)
        if row is None:
            return Renewal(held=False)
        renewed = _step(tables, row, lifecycle.Renew(lease.attempt, now + lease.lease_ms), now)
        if isinstance(renewed, Refused):
            return Renewal(held=False)
        return Renewal(held=True, cancel_requested=renewed.life.cancel_at is not None)


# The event by which a settlement knows that it has been written already (its reply was lost).
_OWN_EVENTS: Mapping[type[object], tuple[EventKind, ...]] = {
    lifecycle.Succeed: ("succeeded",),
    lifecycle.Fail: ("failed", "buried", "cancelled"),
    lifecycle.Bury: ("buried",),
    lifecycle.Release: ("released", "buried", "cancelled"),
    lifecycle.ConfirmCancel: ("cancelled",),
}


@dataclass(frozen=True, slots=True)
class Settle:
    """T3, T4, T5, T6, T9: the owner says how its attempt ended.

    delay_ms: time until the next try, for Fail and Release (their run_at is set here, by the store's clock).
    """

    job_id: int
    worker: str
    step: Settlement
    delay_ms: int = 0
    error: str | None = None
    result: bytes | None = None

    def apply(self, tables: Tables, now: int) -> State:
        """Settle, or recognise the settlement of a lost reply, and return the state it led to."""
        row = tables.job(self.job_id)
        step = self.step
        if isinstance(step, lifecycle.Fail | lifecycle.Release):
            step = replace(step, run_at=now + self.delay_ms)
        detail = self.error
        if isinstance(step, lifecycle.Succeed):
            detail = f"effects={tables.count_applied_effects(self.job_id)}"
        settled: JobRow | Refused = Refused("there is no such job")
        if row is not None:
            changed = replace(row, error=self.error or row.error, result=self.result)
            settled = _step(tables, row, step, now, worker=self.worker, detail=detail, changed=changed)
        if isinstance(settled, JobRow):
            return settled.life.state
        for event in tables.events(self.job_id):
            if (event.attempt, event.worker) == (step.attempt, self.worker) and event.kind in _OWN_EVENTS[type(step)]:
                return _state_after(event.kind)
        raise LeaseLost(
            f"{type(step).__name__} of job {self.job_id}, attempt {step.attempt}, was refused: {settled.why}",
            expected="the attempt to be the job's current one",
            advice="nothing; somebody else owns the job, and this attempt wrote nothing",
        )


@dataclass(frozen=True, slots=True)
class Sweep:
    """T7: free up to `limit` jobs whose lease ran out. Returns the ids, so that workers can be woken."""

    limit: int = 1000

    def apply(self, tables: Tables, now: int) -> tuple[int, ...]:
        """Rescue or bury each; running it twice changes nothing, because the second finds no such lease."""
        rows = tables.expired(now, self.limit)
        for row in rows:
            # No worker in the event: a settlement recognises its own event by it, and this is not one.
            _step(tables, row, lifecycle.Rescue(), now, detail=f"lease of {row.life.worker} ran out")
        return tuple(row.id for row in rows)


@dataclass(frozen=True, slots=True)
class Cancel:
    """T8: cancel a pending job, or ask a running one to stop. Returns the state after it, None if unknown."""

    job_id: int

    def apply(self, tables: Tables, now: int) -> State | None:
        """Cancel or request; a job that has ended stays as it is."""
        row = tables.job(self.job_id)
        if row is None:
            return None
        stepped = _step(tables, row, lifecycle.RequestCancel(), now)
        return row.life.state if isinstance(stepped, Refused) else stepped.life.state


@dataclass(frozen=True, slots=True)
class Redrive:
    """T10: send a dead job round again. attempt: the one it died at; None: whatever it is."""

    job_id: int
    attempt: int | None = None

    def apply(self, tables: Tables, now: int) -> str | None:
        """Return None if the job is on its way (also by an earlier call), else why it cannot be redriven."""
        row = tables.job(self.job_id)
        if row is None:
            return "there is no such job"
        attempt = row.life.attempt if self.attempt is None else self.attempt
        if row.life.state != "dead" or row.life.attempt != attempt:
            done = any(event.kind == "redriven" and event.attempt == attempt for event in tables.events(row.id))
            return None if done else f"the job is {row.life.state}, at attempt {row.life.attempt}"
        if row.unique_key is not None:
            twin = tables.live_twin(row.task, row.unique_key)
            if twin is not None:
                return f"job {twin} is live and has the same unique key"
        stepped = _step(tables, row, lifecycle.Redrive(attempt), now)
        return stepped.why if isinstance(stepped, Refused) else None


def _step(
    tables: Tables,
    row: JobRow,
    step: Step,
    now: int,
    *,
    worker: str | None = None,
    detail: str | None = None,
    changed: JobRow | None = None,
) -> JobRow | Refused:
    """Advance one job and log it. changed: the row with whatever else is to be written with it."""
    advanced = lifecycle.advance(row.life, step, now)
    if isinstance(advanced, Refused):
        return advanced
    after = replace(changed or row, life=advanced.life)
    tables.replace_job(row, after)
    if advanced.event is not None:
        tables.append_event(Event(row.id, now, advanced.event, advanced.life.attempt, worker, detail))
    return after


def _state_after(kind: EventKind) -> State:
    for targets in lifecycle.TABLE.values():
        for state, event in targets.items():
            if event == kind:
                return state
    raise AssertionError(kind)
