"""Rows in PostgreSQL, inside one transaction at READ COMMITTED: what is read, what is locked, and what is written when.

Rule 1: a row that an operation decides upon is locked first, and then read. What cannot be locked because it is not
        there yet (a uid, a unique key, a limit) is held by a unique index or compared when it is written: whoever comes
        second is undone, and run again.
Rule 2: writes wait (writes.py) until something is read that they could change, or until the commit.
Rule 3: time is the server's, read once per transaction, after the locks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace
from psycopg import Connection, Pipeline

from aqueue.lifecycle import TERMINAL, Claim, EventKind, State, claimed
from aqueue.store.columns import PENDING_TASKS, changed_meanwhile, job_row
from aqueue.store.group import Again
from aqueue.store.postgres import sql
from aqueue.store.postgres.footprint import Footprint
from aqueue.store.postgres.foresight import Foreseen, foresee, limit_rows
from aqueue.store.postgres.hints import Noticed
from aqueue.store.postgres.ready import ready_columns
from aqueue.store.postgres.statements import Statements
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

__all__ = ["PostgresTables"]


class PostgresTables:
    """Tables of the seam in tables.py, in a transaction that has begun."""

    def __init__(
        self, connection: Connection[Any], pipeline: Pipeline | None, footprint: Footprint, *, fixed_now: int | None
    ) -> None:
        """Lock and read what is foreseen. fixed_now: the time, where it is not to be the server's."""
        self.noticed = Noticed()
        self._statements = Statements(connection, pipeline, reads_only=footprint.reads_only)
        self._ask = self._statements.ask
        self._keys = frozenset(footprint.keys)
        self._has_locked_limits = footprint.limits_locked
        self._seen = foresee(self._statements, footprint, fixed_now=fixed_now)
        self.now = self._seen.now
        self._undo: dict[int, JobRow | None] = {}
        self._breakers: dict[str, BreakerRow] | None = None
        self._schedules: dict[str, ScheduleRow] | None = None

    def operation_done(self) -> None:
        """Keep what the operation wrote. Raises WriteRefused if the user's own constraints refuse it at the end."""
        self._statements.done()
        self._undo = {}

    def operation_failed(self) -> None:
        """Undo what the operation wrote, and nothing else."""
        self._statements.failed()
        rows, now = self._seen.rows, self.now
        rows.update(self._undo)
        self._seen, self._undo = Foreseen(now, rows=rows), {}
        self._breakers = self._schedules = None

    def finish(self, channel: str) -> None:
        """Send what is not sent, and tell other processes once."""
        self._statements.send()
        payload = self.noticed.encoded()
        if payload is not None:
            self._statements.run("SELECT pg_notify(%s,%s)", (channel, payload))

    # Jobs.

    def insert_job(self, job: JobRow) -> int | None:
        """Insert, ignoring job.id, and return the id given; None if a job of this uid is there."""
        if self.job_with_uid(job.uid) is not None:
            return None
        seen, key = self._seen, job.order_key
        if key is not None and key not in self._keys:
            self._try_keys("new", [key], must=True)
            job_id = self._next_id()  # under the lock, so that ids of a key ascend as they are committed
        else:
            job_id = seen.ids.pop() if seen.ids else self._next_id()
        row = replace(job, id=job_id)
        self._statements.own.new.append(row)
        self._undo.setdefault(job_id, None)
        seen.rows[job_id] = row
        seen.uids[job.uid] = job_id
        if job.unique_key is not None:
            seen.twins[job.task, job.unique_key] = job_id
        self._look_again(row)
        self.noticed.work |= row.life.run_at <= self.now
        return job_id

    def _next_id(self) -> int:
        return int(self._statements.run(sql.TAKE_IDS, (1,)).fetchall()[0][0])

    def _try_keys(self, what: str, keys: Sequence[str], *, must: bool = False) -> set[str]:
        """Lock those of the keys that nobody else has locked. must: all of them, or Again."""
        answers = self._statements.run(sql.TRY_KEYS, (what, list(keys))).fetchall()
        got = {key for key, is_locked in answers if is_locked}
        if must and len(got) < len(keys):
            raise Again(f"another transaction is at the order key {keys[0]!r}")
        return got

    def job(self, job_id: int) -> JobRow | None:
        """The job of this id, locked."""
        if job_id not in self._seen.rows:
            self._seen.rows[job_id] = None
            self._seen.keep(self._ask(sql.BY_ID, [job_id]))
        return self._seen.rows[job_id]

    def glance(self, job_id: int) -> JobRow | None:
        """The job of this id."""
        if job_id in self._seen.rows:
            return self._seen.rows[job_id]
        return next(map(job_row, self._ask(sql.GLANCE, job_id)), None)

    def job_with_uid(self, uid: str) -> int | None:
        """The id of the job enqueued by this request."""
        if uid not in self._seen.uids:
            self._seen.uids[uid] = next((job_id for _, job_id in self._ask(sql.UIDS, [uid])), None)
        return self._seen.uids[uid]

    def live_twin(self, task: str, unique_key: str) -> int | None:
        """The pending or running job of this task and key."""
        twin = (task, unique_key)
        if twin not in self._seen.twins:
            found = self._ask(sql.TWINS, [task], [unique_key])
            self._seen.twins[twin] = next((job_id for _, _, job_id in found), None)
        return self._seen.twins[twin]

    def replace_job(self, before: JobRow, after: JobRow) -> None:
        """Write `after` over `before`, which is locked."""
        assert self._seen.rows.get(before.id) is not None, before
        if before.life.state == "dead" and before.order_key is not None:
            self._try_keys("run", [before.order_key], must=True)
        self._statements.own.change(before, after)
        self._keep(before, after)

    def _keep(self, before: JobRow, after: JobRow) -> None:
        """Know of a row that is written over."""
        seen = self._seen
        self._undo.setdefault(before.id, before)
        seen.rows[before.id] = after
        seen.claimed.pop(after.life.claim_nonce or before.life.claim_nonce or "", None)
        if before.unique_key is not None:
            seen.twins.pop((before.task, before.unique_key), None)
        self._look_again(after)
        self.noticed.change(before, after)

    def _look_again(self, row: JobRow) -> None:
        """A row that was written may change what is known of ready jobs."""
        if row.life.state not in TERMINAL and row.deadline is not None:
            self._seen.has_overdue = None
        if row.life.crashes:
            self._seen.has_crashed = None
        if row.life.state == "pending":
            self._seen.is_deep = None

    def ready(self, now: int, limit: int, narrowing: Narrowing) -> list[JobRow]:
        """Due pending jobs whose key is free and that nobody else is at, locked."""
        if narrowing.overdue and self._seen.has_overdue is False:
            return []
        if narrowing.isolated and self._seen.has_crashed is False:
            return []
        found = self._seen.keep(ready_columns(self._statements, now, limit, narrowing, is_deep=self._seen.is_deep))
        if self._statements.reads_only or all(row.order_key is None for row in found):
            return found
        return self._still_free(found)

    def take_ready(self, now: int, limit: int, narrowing: Narrowing, claim: Claim) -> list[JobRow]:
        """Claim what `ready` finds, by one statement that waits to be sent."""
        rows = self.ready(now, limit, narrowing)
        if not rows:
            return []
        taken = [replace(row, life=claimed(row.life, claim)) for row in rows]
        self._statements.own.take(rows, claim, now)
        for before, after in zip(rows, taken, strict=True):
            self._keep(before, after)
        return taken

    def succeed(self, successes: Sequence[Success], now: int) -> None:
        """Settle running jobs as succeeded, by one statement that waits to be sent, and fails there if one is not."""
        self._statements.own.succeed(successes, now)
        ids = {job.job_id for job in successes}
        for job_id in ids:
            self._seen.rows.pop(job_id, None)
        for nonce, rows in self._seen.claimed.items():
            self._seen.claimed[nonce] = [row for row in rows if row.id not in ids]
        self._seen.twins.clear()  # whose unique key is free now is not known here
        self.noticed.settled += sorted(ids)

    def _still_free(self, rows: list[JobRow]) -> list[JobRow]:
        """Those whose key is free, also now that nobody can redrive a job of it: the query saw an earlier moment."""
        keys = sorted({row.order_key for row in rows if row.order_key is not None})
        got = self._try_keys("run", keys)
        free = {job_id for (job_id,) in self._ask(sql.STILL_FREE, [row.id for row in rows])}
        return [row for row in rows if row.order_key is None or (row.order_key in got and row.id in free)]

    def count_running(self, task: str) -> int:
        """How many jobs of the task are running; nobody else who counts changes it."""
        self._lock_limits()
        return int(self._ask(sql.COUNT_RUNNING, task)[0][0])

    def pending_tasks(self, limit: int) -> list[str]:
        """The first `limit` tasks that have a pending job, by their names."""
        return [task for (task,) in self._ask(PENDING_TASKS.format("%s"), limit)]

    def count_pending(self, task: str | None, limit: int) -> int:
        """How many jobs are pending, of one task or of all, counted up to the limit."""
        self._lock_limits()
        if task is None:
            return int(self._ask(sql.COUNT_PENDING, limit)[0][0])
        return int(self._ask(sql.COUNT_PENDING_OF, task, limit)[0][0])

    def _lock_limits(self) -> None:
        if not self._has_locked_limits:
            self._statements.run(sql.LOCK_LIMITS)
            self._has_locked_limits = True

    def next_run_at(self, now: int) -> int | None:
        """When the next job that is not due yet will be."""
        ((run_at,),) = self._ask(sql.NEXT_RUN_AT, now)
        return None if run_at is None else int(run_at)

    def claimed_with(self, nonce: str) -> list[JobRow]:
        """Running jobs taken by this one request to claim, in the order of `ready`."""
        if nonce not in self._seen.claimed:
            self._seen.claimed[nonce] = self._seen.keep(self._ask(sql.CLAIMED, [nonce]))
        return list(self._seen.claimed[nonce])

    def expired(self, now: int, limit: int) -> list[JobRow]:
        """Running jobs whose lease ran out, oldest lease first, and that nobody else is at."""
        return self._seen.keep(self._ask(sql.EXPIRED, now, limit))

    def dead(self, limit: int) -> list[JobRow]:
        """Dead jobs, longest dead first."""
        return list(map(job_row, self._ask(sql.DEAD, limit)))

    def count_states(self) -> Mapping[State, int]:
        """How many jobs are in each state."""
        return dict(self._ask("SELECT state,count(*) FROM aq_job GROUP BY state"))

    # The log and the ledger.

    def append_event(self, event: Event) -> None:
        """Write one line of the log."""
        self._statements.own.events.append(event)

    def events(self, job_id: int) -> list[Event]:
        """The log of one job, oldest first."""
        return [Event(*columns) for columns in self._ask(sql.EVENTS, job_id)]

    def effect(self, key: str) -> EffectRow | None:
        """The ledger's line for this key, locked if it is there."""
        if key not in self._seen.effects:
            self._seen.effects[key] = next((EffectRow(*row) for row in self._ask(sql.EFFECTS, [key])), None)
        return self._seen.effects[key]

    def put_effect(self, effect: EffectRow) -> None:
        """Write the ledger's line for its key."""
        self._statements.own.put_effect(effect, is_known=self.effect(effect.key) is not None)
        self._seen.effects[effect.key] = effect
        self._seen.applied.pop(effect.job_id, None)

    def count_applied_effects(self, job_id: int) -> int:
        """How many effects this job applied."""
        if job_id not in self._seen.applied:
            self._seen.applied[job_id] = next((count for _, count in self._ask(sql.COUNT_EFFECTS, [job_id])), 0)
        return self._seen.applied[job_id]

    def progress(self, job_id: int) -> ProgressRow | None:
        """What was said last of how far the job is."""
        return next((ProgressRow(*row) for row in self._ask(sql.PROGRESS, job_id)), None)

    def put_progress(self, row: ProgressRow) -> None:
        """Write what is said of a job, which is locked."""
        self._statements.own.put_progress(row)

    # Limits, breakers, schedules.

    def limits(self) -> dict[str, LimitRow]:
        """Every limit, by scope."""
        if self._seen.limits is None:
            self._seen.limits = limit_rows(self._ask(sql.LIMITS))
        return dict(self._seen.limits)

    def put_limit(self, limit: LimitRow) -> None:
        """Write the limit of its scope."""
        known = self.limits()
        before = known.get(limit.scope)
        self.noticed.work |= before is not None and before.paused and not limit.paused
        self._statements.own.swap(before, limit)
        self._seen.limits = known | {limit.scope: limit}

    def breakers(self) -> dict[str, BreakerRow]:
        """Every circuit breaker, by name."""
        if self._breakers is None:
            self._breakers = {row[0]: BreakerRow(*row) for row in self._ask(sql.BREAKERS)}
        return dict(self._breakers)

    def put_breaker(self, breaker: BreakerRow) -> None:
        """Write the breaker of its name."""
        known = self.breakers()
        self._statements.own.swap(known.get(breaker.name), breaker)
        self._breakers = known | {breaker.name: breaker}

    def schedules(self) -> dict[str, ScheduleRow]:
        """Every schedule, by name, in the order of the names."""
        if self._schedules is None:
            self._schedules = {row[0]: ScheduleRow(*row) for row in self._ask(sql.SCHEDULES)}
        return dict(self._schedules)

    def put_schedule(self, schedule: ScheduleRow) -> None:
        """Write the schedule of its name."""
        self._statements.own.swap(self.schedules().get(schedule.name), schedule)
        self._schedules = None

    def delete_schedule(self, name: str) -> bool:
        """Remove a schedule, and say whether there was one."""
        self._schedules = None
        return bool(self._statements.write("DELETE FROM aq_schedule WHERE name=%s RETURNING 1", name))

    def add_fire(self, fire: FireRow) -> bool:
        """Write a fire, unless there is one for this name and time."""
        return bool(self._statements.write(sql.FIRE, fire.name, fire.fire_at, fire.job_id))

    def has_fired(self, name: str, fire_at: int) -> bool:
        """Whether there is a fire for this name and time."""
        return bool(self._ask("SELECT 1 FROM aq_fire WHERE name=%s AND fire_at=%s", name, fire_at))

    def missed(self, limit: int) -> list[FireRow]:
        """Fires without a job, newest first, then by name."""
        return [FireRow(*row) for row in self._ask(sql.MISSED, limit)]

    # All else.

    def write(self, sql: str, parameters: Sequence[object]) -> Written:
        """Run one statement of the user on the user's own tables."""
        return Written(self._statements.run_for_user(sql, parameters))

    def jobs_after(self, job_id: int, states: frozenset[State], limit: int) -> list[JobRow]:
        """Jobs in one of these states with a higher id, lowest id first; not locked, whoever changes one asks again."""
        return list(map(job_row, self._ask(sql.JOBS_AFTER, job_id, sorted(states), limit)))

    def delete_job(self, job: JobRow) -> None:
        """Remove the row, which is locked; 0 rows removed is LeaseLost."""
        self._statements.write(sql.FORGET_PROGRESS, job.id)
        removed = self._statements.write(sql.DELETE_JOB, job.id, job.life.attempt, job.life.state)
        self._undo.setdefault(job.id, job)
        self._seen.rows[job.id] = None
        if not removed:
            raise changed_meanwhile(job, "removed")

    def remove_ended(self, jobs: Sequence[JobRow]) -> int:
        """Remove those that are still as they were read and that nobody is at, with all that is stored of them."""
        if not jobs:
            return 0
        as_read = ([job.id for job in jobs], [job.life.attempt for job in jobs])
        gone = [job_id for (job_id,) in self._statements.write(sql.REMOVE_ENDED, *as_read)]
        for forget in sql.FORGET:
            self._statements.run(forget, [gone])
        for job in jobs:
            self._seen.rows.pop(job.id, None)  # asked for again, if anybody does
        return len(gone)

    def count_tasks(self, now: int) -> list[TaskCount]:
        """Every task and state that has a job, by task, then by state."""
        return [TaskCount(*row) for row in self._ask(sql.COUNT_TASKS, now, now)]

    def count_events(self, since: int) -> dict[tuple[str, EventKind], int]:
        """Events written at `since` or later, by task and kind."""
        return {(row[0], row[1]): int(row[2]) for row in self._ask(sql.COUNT_EVENTS, since)}

    def storage_faults(self) -> tuple[str, ...]:
        """Nothing: a server looks after its own files."""
        return ()

    def violations(self, *, now: int, grace_ms: int, free_slots: int) -> tuple[Violation, ...]:
        """Run every query of invariants.sql."""
        parameters = {"now": now, "grace": grace_ms, "free": free_slots}
        found = [(name, self._statements.ask_named(check, parameters)) for name, check in sql.CHECKS.items()]
        return tuple(Violation(name, tuple(rows)) for name, rows in found if rows)
