"""Rows in dictionaries, with an undo log instead of a journal. What is live is found by live.py."""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from typing import TypeVar

from msgspec.structs import replace

from aqueue.errors import WriteRefused
from aqueue.lifecycle import TERMINAL, Claim, EventKind, State
from aqueue.store.memory.live import LiveJobs, urgency
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
from aqueue.store.sqlite.schema import create_schema
from aqueue.store.sqlite.tables import SqliteTables
from aqueue.store.stepping import succeed_each, take_each

__all__ = ["MemoryTables"]

K = TypeVar("K")
V = TypeVar("V")


class MemoryTables:
    """Tables of the seam in tables.py, in memory."""

    def __init__(self) -> None:
        """Create empty tables."""
        self._jobs: dict[int, JobRow] = {}
        self._last_id = 0  # ids are not given twice, also when a row is removed
        self._live = LiveJobs()
        self._uids: dict[str, int] = {}
        self._events: list[Event] = []
        self._events_of: dict[int, list[Event]] = {}
        self._effects: dict[str, EffectRow] = {}
        self._progress: dict[int, ProgressRow] = {}
        self._limits: dict[str, LimitRow] = {}
        self._breakers: dict[str, BreakerRow] = {}
        self._schedules: dict[str, ScheduleRow] = {}
        self._fires: dict[tuple[str, int], FireRow] = {}
        self._undo: list[Callable[[], object]] = []

    @contextmanager
    def atomic(self) -> Generator[None]:
        """Undo everything written inside if it raises."""
        assert not self._undo, "transactions do not nest"
        try:
            yield
        except BaseException:
            for undo in reversed(self._undo):
                undo()
            raise
        finally:
            self._undo.clear()

    def insert_job(self, job: JobRow) -> int | None:
        """Insert, ignoring job.id, and return the id given; None if a job of this uid is there."""
        if job.uid in self._uids:
            return None
        job_id = self._last_id = self._last_id + 1
        self._put(replace(job, id=job_id))
        self._uids[job.uid] = job_id
        self._undo.append(lambda: self._forget(self._jobs[job_id], last_id=job_id - 1))
        return job_id

    def job(self, job_id: int) -> JobRow | None:
        """The job of this id."""
        return self._jobs.get(job_id)

    def glance(self, job_id: int) -> JobRow | None:
        """The job of this id."""
        return self.job(job_id)

    def job_with_uid(self, uid: str) -> int | None:
        """The id of the job enqueued by this request."""
        return self._uids.get(uid)

    def live_twin(self, task: str, unique_key: str) -> int | None:
        """The pending or running job of this task and key."""
        return self._live.twin(task, unique_key)

    def replace_job(self, before: JobRow, after: JobRow) -> None:
        """Write `after` over `before`."""
        assert self._jobs[before.id] == before, (before, self._jobs[before.id])
        self._put(after)
        self._undo.append(lambda: self._put(before))

    def delete_job(self, job: JobRow) -> None:
        """Remove the row."""
        assert self._jobs[job.id] == job, (job, self._jobs[job.id])
        self._forget(job, last_id=self._last_id)
        self._undo += [lambda: self._put(job), lambda: self._uids.update({job.uid: job.id})]
        if job.id in self._progress:
            self._set_aside(self._progress, job.id)

    def remove_ended(self, jobs: Sequence[JobRow]) -> int:
        """Remove those that are still as they were read, with all that is stored of them."""
        gone = {job.id: job for job in jobs if job.life.state in TERMINAL and self._jobs.get(job.id) == job}
        for job in gone.values():
            self.delete_job(job)
            self._set_aside(self._events_of, job.id)
        before = self._events
        self._undo.append(lambda: setattr(self, "_events", before))
        self._events = [event for event in before if event.job_id not in gone]
        for key in [key for key, effect in self._effects.items() if effect.job_id in gone]:
            self._set_aside(self._effects, key)
        for nominal in [nominal for nominal, fire in self._fires.items() if fire.job_id in gone]:
            self._set_aside(self._fires, nominal)
        return len(gone)

    def _set_aside(self, table: dict[K, V], key: K) -> None:
        row = table.pop(key)
        self._undo.append(lambda: table.update({key: row}))

    def _forget(self, row: JobRow, *, last_id: int) -> None:
        self._last_id = last_id
        del self._jobs[row.id], self._uids[row.uid]
        self._live.discard(row.id)

    def _put(self, row: JobRow) -> None:
        self._jobs[row.id] = row
        self._live.put(row)

    def ready(self, now: int, limit: int, narrowing: Narrowing) -> list[JobRow]:
        """Due pending jobs whose key is free, highest priority first, then oldest due first."""
        return self._live.ready(now, limit, narrowing)

    def take_ready(self, now: int, limit: int, narrowing: Narrowing, claim: Claim) -> list[JobRow]:
        """Claim what `ready` finds."""
        return take_each(self, self.ready(now, limit, narrowing), claim, now)

    def succeed(self, successes: Sequence[Success], now: int) -> None:
        """Settle running jobs as succeeded."""
        succeed_each(self, successes, now)

    def next_run_at(self, now: int) -> int | None:
        """When the next job that is not due yet will be."""
        return self._live.next_run_at(now)

    def claimed_with(self, nonce: str) -> list[JobRow]:
        """Running jobs taken by this one request to claim, in the order of `ready`."""
        return sorted((row for row in self._live.running() if row.life.claim_nonce == nonce), key=urgency)

    def expired(self, now: int, limit: int) -> list[JobRow]:
        """Running jobs whose lease ran out, oldest lease first."""
        leases = [
            (row.life.lease_until, row.id)
            for row in self._live.running()
            if row.life.lease_until is not None and row.life.lease_until < now
        ]
        return [self._jobs[job_id] for _, job_id in sorted(leases)[:limit]]

    def dead(self, limit: int) -> list[JobRow]:
        """Dead jobs, longest dead first."""
        dead = [row for row in self._jobs.values() if row.life.state == "dead"]
        dead.sort(key=lambda row: (row.life.finished_at or 0, row.id))
        return dead[:limit]

    def count_states(self) -> Mapping[State, int]:
        """How many jobs are in each state."""
        counted: dict[State, int] = {}
        for row in self._jobs.values():
            counted[row.life.state] = counted.get(row.life.state, 0) + 1
        return counted

    def jobs_after(self, job_id: int, states: frozenset[State], limit: int) -> list[JobRow]:
        """Jobs in one of these states with a higher id, lowest id first."""
        found = (self._jobs[other] for other in sorted(self._jobs) if other > job_id)
        return list(islice((row for row in found if row.life.state in states), limit))

    def count_tasks(self, now: int) -> list[TaskCount]:
        """Every task and state that has a job, by task, then by state."""
        groups: dict[tuple[str, State], list[JobRow]] = {}
        for row in self._jobs.values():
            groups.setdefault((row.task, row.life.state), []).append(row)
        counts: list[TaskCount] = []
        for (task, state), rows in sorted(groups.items()):
            due = [row.life.run_at for row in rows if state == "pending" and row.life.run_at <= now]
            counts.append(TaskCount(task, state, len(rows), len(due), min(due, default=None)))
        return counts

    def count_events(self, since: int) -> dict[tuple[str, EventKind], int]:
        """Events written at `since` or later, by task and kind."""
        counted: dict[tuple[str, EventKind], int] = {}
        for event in self._events:
            if event.at >= since:
                row = self._jobs.get(event.job_id)
                key = ("" if row is None else row.task, event.kind)
                counted[key] = counted.get(key, 0) + 1
        return dict(sorted(counted.items()))

    def storage_faults(self) -> tuple[str, ...]:
        """Nothing: dictionaries have no pages."""
        return ()

    def append_event(self, event: Event) -> None:
        """Write one line of the log."""
        self._events.append(event)
        self._events_of.setdefault(event.job_id, []).append(event)
        self._undo.append(lambda: (self._events.pop(), self._events_of[event.job_id].pop()))

    def events(self, job_id: int) -> list[Event]:
        """The log of one job, oldest first."""
        return list(self._events_of.get(job_id, ()))

    def effect(self, key: str) -> EffectRow | None:
        """The ledger's line for this key."""
        return self._effects.get(key)

    def put_effect(self, effect: EffectRow) -> None:
        """Write the ledger's line for its key."""
        self._set(self._effects, effect.key, effect)

    def count_applied_effects(self, job_id: int) -> int:
        """How many effects this job applied."""
        return sum(1 for row in self._effects.values() if row.job_id == job_id and row.state == "applied")

    def progress(self, job_id: int) -> ProgressRow | None:
        """What was said last of how far the job is."""
        return self._progress.get(job_id)

    def put_progress(self, row: ProgressRow) -> None:
        """Write what is said of a job."""
        self._set(self._progress, row.job_id, row)

    def count_running(self, task: str) -> int:
        """How many jobs of the task are running."""
        return sum(1 for row in self._live.running() if row.task == task)

    def pending_tasks(self, limit: int) -> list[str]:
        """The first `limit` tasks that have a pending job, by their names."""
        return self._live.pending_tasks()[:limit]

    def count_pending(self, task: str | None, limit: int) -> int:
        """How many jobs are pending, of one task or of all, counted up to the limit."""
        return min(limit, self._live.count_pending(task))

    def limits(self) -> dict[str, LimitRow]:
        """Every limit, by scope."""
        return dict(self._limits)

    def put_limit(self, limit: LimitRow) -> None:
        """Write the limit of its scope."""
        self._set(self._limits, limit.scope, limit)

    def breakers(self) -> dict[str, BreakerRow]:
        """Every circuit breaker, by name."""
        return dict(self._breakers)

    def put_breaker(self, breaker: BreakerRow) -> None:
        """Write the breaker of its name."""
        self._set(self._breakers, breaker.name, breaker)

    def schedules(self) -> dict[str, ScheduleRow]:
        """Every schedule, by name, in the order of the names."""
        return dict(sorted(self._schedules.items()))

    def put_schedule(self, schedule: ScheduleRow) -> None:
        """Write the schedule of its name."""
        self._set(self._schedules, schedule.name, schedule)

    def delete_schedule(self, name: str) -> bool:
        """Remove a schedule, and say whether there was one."""
        before = self._schedules.pop(name, None)
        if before is not None:
            self._undo.append(lambda: self._schedules.update({name: before}))
        return before is not None

    def add_fire(self, fire: FireRow) -> bool:
        """Write a fire, unless there is one for this name and time."""
        if self.has_fired(fire.name, fire.fire_at):
            return False
        self._set(self._fires, (fire.name, fire.fire_at), fire)
        return True

    def has_fired(self, name: str, fire_at: int) -> bool:
        """Whether there is a fire for this name and time."""
        return (name, fire_at) in self._fires

    def missed(self, limit: int) -> list[FireRow]:
        """Fires without a job, newest first, then by name."""
        missed = [fire for fire in self._fires.values() if fire.job_id is None]
        return sorted(missed, key=lambda fire: (-fire.fire_at, fire.name))[:limit]

    def write(self, sql: str, parameters: Sequence[object]) -> Written:  # noqa: ARG002 - the seam's signature
        """Refuse: there are no tables of the user in memory."""
        raise WriteRefused(
            f"the memory store cannot run {sql!r}",
            expected="a store that is a database",
            advice='use Queue("sqlite:///jobs.db"), also in tests of handlers that write rows',
        )

    def _set(self, table: dict[K, V], key: K, row: V) -> None:
        before = table.get(key)
        table[key] = row
        if before is None:
            self._undo.append(lambda: table.pop(key))
        else:
            self._undo.append(lambda: table.update({key: before}))

    def violations(self, *, now: int, grace_ms: int, free_slots: int) -> tuple[Violation, ...]:
        """Copy everything into an empty SQLite database and run the same queries there as on a stored one."""
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
            connection.deserialize(_empty_database())
            copy = SqliteTables(connection)
            copy.load(
                self._jobs.values(),
                self._events,
                self._effects.values(),
                self._limits.values(),
                self._breakers.values(),
                self._schedules.values(),
                self._fires.values(),
            )
            return copy.violations(now=now, grace_ms=grace_ms, free_slots=free_slots)


@functools.cache
def _empty_database() -> bytes:
    """A SQLite database with the schema: made once, because making it takes longer than all that is asked of it."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        create_schema(connection)
        return connection.serialize()
