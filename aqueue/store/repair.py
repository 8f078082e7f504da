"""Repairing stored jobs, one at a time: what is wrong with a row, and the one transaction that puts it right.

Rule 1: a cure is decided and written in the same transaction, from the row and the log as they are there. So it may be
        killed, repeated, or run beside workers and other repairs: who comes second finds nothing to cure.
Rule 2: the log is the authority (fold.py). A row that says something else is set to what the log says, without an
        event: the log was right all along. Whatever goes further is a step of the table, with its event.
Rule 3: what cannot be cured is said, with the reason, and left as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from aqueue import lifecycle
from aqueue.codec import decode_call
from aqueue.errors import UndecodablePayload
from aqueue.lifecycle import TERMINAL, Advanced, Life, State, Step
from aqueue.store.enqueueing import enqueue_one
from aqueue.store.fold import Contradiction, Standing, fold
from aqueue.store.rows import Event, JobRow, NewJob
from aqueue.store.tables import Tables

__all__ = ["Cure", "Examine", "Examined", "Horizon", "Incurable", "Mend", "diagnose"]

REPAIRER: Final = "repair"
"""The worker that events of a repair name, where a step needs one."""
_EXAMINED: Final[frozenset[State]] = frozenset({"pending", "running", "cancelled"})


@dataclass(frozen=True, slots=True)
class Horizon:
    """How far ahead of now a stored time can be meant. run_ms: when a job is due.   lease_ms: when a lease ends."""

    run_ms: int = 366 * 86_400_000
    lease_ms: int = 3_600_000


@dataclass(frozen=True, slots=True)
class Cure:
    """What would put one job right. cures: in words, non-empty.   copy: the job to be enqueued in its place."""

    before: JobRow
    after: JobRow
    events: tuple[Event, ...]
    cures: tuple[str, ...]
    copy: NewJob | None = None

    @property
    def job_id(self) -> int:
        """The job's number."""
        return self.before.id


@dataclass(frozen=True, slots=True)
class Incurable:
    """Why one job cannot be put right."""

    job_id: int
    why: str


@dataclass(frozen=True, slots=True)
class Mend:
    """Put one job right. Returns what was done, or cannot be; None if nothing is wrong with it."""

    job_id: int
    horizon: Horizon = Horizon()

    def apply(self, tables: Tables, now: int) -> Cure | Incurable | None:
        """Diagnose and write, in this one transaction."""
        row = tables.job(self.job_id)
        found = None if row is None else diagnose(tables, row, now, self.horizon)
        if isinstance(found, Cure):
            if found.after != found.before:
                tables.replace_job(found.before, found.after)
            for event in found.events:
                tables.append_event(event)
            if found.copy is not None:
                enqueue_one(tables, found.copy, now)
        return found


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found wrong. last: the highest id looked at, None if there are no more."""

    found: tuple[Cure | Incurable, ...]
    last: int | None


@dataclass(frozen=True, slots=True)
class Examine:
    """Say what Mend would do, to `limit` jobs of ids above `after`, and to those named. Writes nothing.

    Only jobs that are pending, running or cancelled are looked at unasked: what may be wrong with others shows as the
    violation of an invariant, which names them.
    """

    after: int
    limit: int
    named: tuple[int, ...] = ()
    horizon: Horizon = Horizon()

    def apply(self, tables: Tables, now: int) -> Examined:
        """Diagnose each."""
        page = tables.jobs_after(self.after, _EXAMINED, self.limit)
        named = [row for job_id in self.named if (row := tables.job(job_id)) is not None]
        rows = {row.id: row for row in (*page, *named)}
        found = [diagnose(tables, row, now, self.horizon) for row in rows.values()]
        return Examined(tuple(each for each in found if each is not None), page[-1].id if page else None)


def diagnose(tables: Tables, row: JobRow, now: int, horizon: Horizon) -> Cure | Incurable | None:
    """What is wrong with a job, and what would put it right. Reads only."""
    log = tables.events(row.id)
    standing = fold(log)
    if isinstance(standing, Contradiction):
        return Incurable(row.id, f"its log contradicts itself: {standing.why}; nothing else says what happened")
    bounds = (standing.failures, row.life.max_attempts), (standing.attempt, row.life.max_claims)
    if any(count > bound for count, bound in (*bounds, (standing.redrives, row.life.max_redrives))):
        return Incurable(row.id, "its log counts more tries than the job may have")
    if standing.state not in TERMINAL and standing.failures >= row.life.max_attempts:
        return Incurable(row.id, "its log counts all the failures it may have, and does not say that it ended")
    treated = _Treatment(row, now)
    treated.set_to(_as_logged(row.life, standing, now))
    treated.restamp(standing, horizon)
    treated.take_steps()
    treated.bury_undecodable()
    after = treated.life
    comes_to_life = row.life.state in TERMINAL and after.state not in TERMINAL
    if comes_to_life and row.unique_key is not None:
        twin = tables.live_twin(row.task, row.unique_key)
        if twin is not None:
            return Incurable(
                row.id, f"its log says it is {standing.state}, but job {twin} has its unique key and lives"
            )
    copy = _copy_of_dropped(tables, row, after, standing, now)
    if copy is not None:
        treated.cures.append("cancelled while it ran, and nobody asked for that: enqueued anew")
    if not treated.cures:
        return None
    return Cure(row, replace(row, life=after), tuple(treated.events), tuple(treated.cures), copy)


class _Treatment:
    """One row on its way to health; every method is one kind of cure."""

    def __init__(self, row: JobRow, now: int) -> None:
        self.row = row
        self.life = row.life
        self.now = now
        self.events: list[Event] = []
        self.cures: list[str] = []

    def set_to(self, logged: Life) -> None:
        """The row as the log has it."""
        names = ("state", "attempt", "failures", "redrives")
        pairs = [(name, getattr(self.life, name), getattr(logged, name)) for name in names]
        changed = [f"{name} {after} instead of {before}" for name, before, after in pairs if before != after]
        if changed:
            self.cures.append(f"set to what its log says: {', '.join(changed)}")
            self.life = logged

    def restamp(self, standing: Standing, horizon: Horizon) -> None:
        """Times that only a clock gone wrong can have written. A delay that was asked for counts from now."""
        life, now = self.life, self.now
        if life.state == "pending" and life.run_at > now + horizon.run_ms:
            delay_ms = min(max(0, life.run_at - standing.since), horizon.run_ms)
            self.life = replace(life, run_at=now + delay_ms)
            self.cures.append(f"due {_days(life.run_at - now)} ahead: due in {delay_ms / 1000:g} s")
        if life.lease_until is not None and life.lease_until > now + horizon.lease_ms:
            self.life = replace(life, lease_until=now + horizon.lease_ms)
            self.cures.append(f"leased for {_days(life.lease_until - now)}: for {horizon.lease_ms / 1000:g} s")

    def take_steps(self) -> None:
        """What the table does with a lease that ran out, and with a request to cancel that was passed over."""
        life = self.life
        if life.lease_until is not None and life.lease_until < self.now:
            self._step(lifecycle.Rescue(), f"lease of {life.worker} ran out")
            self.cures.append(f"its lease ran out: {self.life.state}")
        elif life.state == "pending" and life.cancel_at is not None:
            self._step(lifecycle.RequestCancel(), "was asked for before")
            self.cures.append("a request to cancel it was passed over: cancelled")

    def bury_undecodable(self) -> None:
        """Bytes that no attempt can read go to the dead letter as they are; in a key's order, when their turn comes."""
        if self.life.state != "pending" or self.row.order_key is not None:
            return
        try:
            decode_call(self.row.payload, self.row.payload_crc)
        except UndecodablePayload as error:
            self.life = replace(self.life, run_at=min(self.life.run_at, self.now))
            claim = lifecycle.Claim(REPAIRER, REPAIRER, self.now)
            self._step(claim, None)
            self._step(lifecycle.Bury(self.life.attempt, "undecodable"), error.happened)
            self.cures.append(f"{error.happened}: buried, with its bytes")

    def _step(self, step: Step, detail: str | None) -> None:
        advanced = lifecycle.advance(self.life, step, self.now)
        assert isinstance(advanced, Advanced), (self.life, step, advanced)
        self.life = advanced.life
        assert advanced.event is not None, step
        worker = REPAIRER if isinstance(step, lifecycle.Claim | lifecycle.Bury) else None
        self.events.append(Event(self.row.id, self.now, advanced.event, self.life.attempt, worker, detail))


def _as_logged(life: Life, standing: Standing, now: int) -> Life:
    counted = replace(life, attempt=standing.attempt, redrives=standing.redrives, failures=_failures(life, standing))
    if life.state == standing.state:
        return counted
    free = replace(counted, state=standing.state, worker=None, claim_nonce=None, lease_until=None, finished_at=None)
    free = replace(free, dead_reason=None, crashes=standing.crashes)
    if standing.state == "pending":
        return free
    if standing.state == "running":
        # Its owner, if there is one, was told by the row that it is none: the job goes round again.
        return replace(free, worker=standing.worker or REPAIRER, claim_nonce=REPAIRER, lease_until=now - 1)
    reason = (life.dead_reason or "unknown") if standing.state == "dead" else None
    return replace(free, finished_at=life.finished_at or standing.since, dead_reason=reason)


def _failures(life: Life, standing: Standing) -> int:
    """By the log; of a job that has ended, whether its last try failed is known to the row alone."""
    could_be = {standing.failures}
    if standing.state in ("dead", "cancelled") and standing.failures < life.max_attempts:
        could_be.add(standing.failures + 1)
    return life.failures if life.failures in could_be else standing.failures


def _copy_of_dropped(tables: Tables, row: JobRow, after: Life, standing: Standing, now: int) -> NewJob | None:
    """A job in place of one that was cancelled while it ran although nobody asked; None if one stands for it."""
    if after.state != "cancelled" or after.cancel_at is not None:
        return None
    if standing.state != "cancelled" or standing.ended_from != "running":
        return None
    uid = f"requeued:{row.uid}"
    if tables.job_with_uid(uid) is not None:
        return None
    if row.unique_key is not None and tables.live_twin(row.task, row.unique_key) is not None:
        return None
    return NewJob(
        uid=uid,
        task=row.task,
        payload=row.payload,
        payload_crc=row.payload_crc,
        delay_ms=0,
        max_attempts=after.max_attempts,
        max_claims=after.max_claims,
        max_redrives=after.max_redrives,
        priority=row.priority,
        deadline_ms=None if row.deadline is None else max(0, row.deadline - now),
        order_key=row.order_key,
        unique_key=row.unique_key,
        headers=row.headers,
    )


def _days(ms: int) -> str:
    return f"{ms / 86_400_000:.1f} days"
