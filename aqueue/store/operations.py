"""Everything that can be done to stored jobs: each operation is data, and one synchronous body for every store.

Rule 1: one operation is one transaction. It decides by lifecycle.advance and writes the row and its event together.
Rule 2: every operation may be repeated blindly, because its first reply may have been lost: enqueue is recognised by
        its uid, claim by its nonce, a settlement and a redrive by the event they have already written.
Rule 3: LeaseLost is the only answer to an owner whose attempt is over, and then nothing was written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from aqueue import lifecycle
from aqueue.errors import LeaseLost, WriteRefused
from aqueue.lifecycle import EventKind, Refused, State
from aqueue.store.breakers import BreakerRule, judge
from aqueue.store.enqueueing import Enqueue, Enqueued, enqueue_one
from aqueue.store.limits import Bucket, Gate, TaskRule
from aqueue.store.rows import JobRow, Narrowing, NewJob
from aqueue.store.stepping import step_job, take_each
from aqueue.store.tables import Tables

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
    "Statement",
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
class ClaimReply:
    """jobs: now owned by the claimer.   wait_ms: until more may be had; None if jobs is full, or never by itself.

    0: nobody has looked for more yet.   now: the store's time.
    """

    jobs: tuple[JobRow, ...]
    wait_ms: int | None
    now: int = field(default=0, compare=False)


class Claim(Struct, frozen=True):
    """T1: take up to `room` due jobs, within every limit. Those past their deadline come first: they are not run.

    lease_ms: for tasks that `leases_ms` does not name.
    rules, budget: what the claimer's code says of its tasks and of retries.
    isolate_after: a job that lost that many leases in a row is taken alone, by a worker that is_idle; None: it is not
    treated differently. While one has been waiting for longer than lease_ms, workers take nothing else, so that one
    of them becomes idle.
    only_known: whether it takes only jobs of tasks that `rules` names, apart from those past their deadline.
    """

    worker: str
    nonce: str
    room: int
    lease_ms: int
    leases_ms: Mapping[str, int] = {}
    rules: Mapping[str, TaskRule] = {}
    budget: Bucket | None = None
    isolate_after: int | None = None
    is_idle: bool = False
    only_known: bool = False

    def apply(self, tables: Tables, now: int) -> ClaimReply:
        """Take jobs, or return those that this very claim has taken before."""
        known = tables.claimed_with(self.nonce)
        if known:
            return ClaimReply(tuple(known), 0, now)
        gate = Gate(
            tables, now, rules=self.rules, budget=self.budget, isolate_after=self.isolate_after,
            only_known=self.only_known,
        )  # fmt: skip
        taken = [] if gate.is_paused else self._take_all(tables, gate, now)
        gate.write()
        if len(taken) >= self.room:
            return ClaimReply(tuple(taken), None, now)
        if taken and taken[0].deadline is not None and taken[0].deadline <= now:
            return ClaimReply(tuple(taken), 0, now)  # those past their deadline were looked for, and no others
        next_run_at = tables.next_run_at(now)
        waits = [
            wait for wait in (gate.wait_ms, None if next_run_at is None else next_run_at - now) if wait is not None
        ]
        return ClaimReply(tuple(taken), min(waits, default=None), now)

    def _take_all(self, tables: Tables, gate: Gate, now: int) -> list[JobRow]:
        overdue = tables.ready(now, self.room, Narrowing(overdue=True))
        if overdue:  # whatever limit they wait for, and whoever knows their task: their worker buries them
            return [self._take(tables, row, now) for row in overdue]
        if self.isolate_after is not None:
            for suspect in tables.ready(now, 1, gate.narrowing(isolated=True)):
                if self.is_idle and gate.admit(suspect):
                    return [self._take(tables, suspect, now)]
                if now - suspect.life.run_at > self.lease_ms:
                    return []
        if not self.leases_ms and gate.admits_any(self.room):
            return self._take_together(tables, gate, now)
        taken: list[JobRow] = []
        while len(taken) < self.room:
            narrowing = gate.narrowing(isolated=False)
            found = tables.ready(now, self.room - len(taken), narrowing)
            taken += [self._take(tables, row, now) for row in found if gate.admit(row)]
            if gate.narrowing(isolated=False) == narrowing:
                break  # nothing was refused, so there is nothing to look for in its place
        return taken

    def _take_together(self, tables: Tables, gate: Gate, now: int) -> list[JobRow]:
        step = self._step(now + self.lease_ms)
        taken = tables.take_ready(now, self.room, gate.narrowing(isolated=False), step)
        gate.charge_taken(taken)
        return taken

    def _take(self, tables: Tables, row: JobRow, now: int) -> JobRow:
        lease_ms = self.leases_ms.get(row.task, self.lease_ms)
        (taken,) = take_each(tables, (row,), self._step(now + lease_ms), now)
        return taken

    def _step(self, lease_until: int) -> lifecycle.Claim:
        return lifecycle.Claim(worker=self.worker, nonce=self.nonce, lease_until=lease_until)


@dataclass(frozen=True, slots=True)
class ReleaseClaim:
    """T6 for whatever a claim took whose reply never reached its worker. Does nothing if it took nothing."""

    nonce: str

    def apply(self, tables: Tables, now: int) -> int:
        """Give the jobs back and return how many there were."""
        rows = tables.claimed_with(self.nonce)
        for row in rows:
            step = lifecycle.Release(row.life.attempt, run_at=now)
            step_job(tables, row, step, now, worker=row.life.worker, detail="claim abandoned")
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
        renewed = step_job(tables, row, lifecycle.Renew(lease.attempt, now + lease.lease_ms), now)
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
class Statement:
    """One statement of the user. rows: how many it must change, None for any number."""

    sql: str
    parameters: tuple[object, ...] = ()
    rows: int | None = None


class Settle(Struct, frozen=True):
    """T3, T4, T5, T6, T9: the owner says how its attempt ended.

    delay_ms: time until the next try, for Fail and Release (their run_at is set here, by the store's clock).
    breaker: to be told of a success or a failure.
    writes, follow_ups: statements of the user, and jobs to enqueue, in the same transaction; for Succeed only.
    """

    job_id: int
    worker: str
    step: Settlement
    delay_ms: int = 0
    error: str | None = None
    result: bytes | None = None
    breaker: BreakerRule | None = None
    writes: tuple[Statement, ...] = ()
    follow_ups: tuple[NewJob, ...] = ()

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
            settled = step_job(tables, row, step, now, worker=self.worker, detail=detail, changed=changed)
        if isinstance(settled, JobRow):
            self._write_along(tables, now)
            return settled.life.state
        for event in tables.events(self.job_id):
            if (event.attempt, event.worker) == (step.attempt, self.worker) and event.kind in _OWN_EVENTS[type(step)]:
                return _state_after(event.kind)
        raise LeaseLost(
            f"{type(step).__name__} of job {self.job_id}, attempt {step.attempt}, was refused: {settled.why}",
            expected="the attempt to be the job's current one",
            advice="nothing; somebody else owns the job, and this attempt wrote nothing",
        )

    def _write_along(self, tables: Tables, now: int) -> None:
        """Whatever belongs to this settlement and to no other; once, because a settlement is."""
        for statement in self.writes:
            count = tables.write(statement.sql, statement.parameters).count
            if statement.rows is not None and count != statement.rows:
                raise WriteRefused(
                    f"{statement.sql!r} changed {count} rows",
                    expected=f"{statement.rows}",
                    advice="nothing was written, and the job is not settled; look at the rows and decide",
                )
        for new in self.follow_ups:
            enqueue_one(tables, new, now)
        if self.breaker is not None and isinstance(self.step, lifecycle.Succeed | lifecycle.Fail):
            judge(tables, self.breaker, now, succeeded=isinstance(self.step, lifecycle.Succeed))


@dataclass(frozen=True, slots=True)
class Sweep:
    """T7: free up to `limit` jobs whose lease ran out. Returns the ids, so that workers can be woken."""

    limit: int = 1000

    def apply(self, tables: Tables, now: int) -> tuple[int, ...]:
        """Rescue or bury each; running it twice changes nothing, because the second finds no such lease."""
        rows = tables.expired(now, self.limit)
        for row in rows:
            # No worker in the event: a settlement recognises its own event by it, and this is not one.
            step_job(tables, row, lifecycle.Rescue(), now, detail=f"lease of {row.life.worker} ran out")
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
        stepped = step_job(tables, row, lifecycle.RequestCancel(), now)
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
        stepped = step_job(tables, row, lifecycle.Redrive(attempt), now)
        return stepped.why if isinstance(stepped, Refused) else None


def _state_after(kind: EventKind) -> State:
    for targets in lifecycle.TABLE.values():
        for state, event in targets.items():
            if event == kind:
                return state
    raise AssertionError(kind)
