"""Rows in SQLite: the SQL, and nothing of threads, transactions or time.

Rule 1: an update carries its guard (id, attempt, state) in its own WHERE, although the transaction already holds the
        write lock: a store that reads outside of it later must not be able to write by mistake.
Rule 2: no statement is built from values.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple
from typing import Final

from aqueue.errors import WriteRefused
from aqueue.lifecycle import TERMINAL, Claim, EventKind, State
from aqueue.store.columns import (
    CHANGING,
    INVARIANTS,
    JOB,
    LIFE,
    PENDING_TASKS,
    changed_meanwhile,
    changing_values,
    effect_values,
    event_values,
    job_row,
    job_values,
    life_values,
)
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
from aqueue.store.sqlite.guard import is_fault_of_statement, only_writing_user_tables
from aqueue.store.sqlite.log import INSERT_EVENT, EventLog
from aqueue.store.sqlite.moving import Outlook, claim_rows, outlook, ready_rows, succeed_rows

__all__ = ["SqliteTables"]

_COLUMNS: Final = ",".join((*JOB, *LIFE))
_SELECT: Final = f"SELECT {_COLUMNS} FROM aq_job"
_INSERT_ROW: Final = f"INSERT INTO aq_job({_COLUMNS}) VALUES({','.join('?' * len((*JOB, *LIFE)))})"
_UPDATE: Final = f"UPDATE aq_job SET {','.join(f'{name}=?' for name in CHANGING)} WHERE id=? AND attempt=? AND state=?"
_EFFECT: Final = "INSERT OR REPLACE INTO aq_effect(key,job_id,attempt,nonce,state,result,at) VALUES(?,?,?,?,?,?,?)"

_DELETE: Final = "DELETE FROM aq_job WHERE id=? AND attempt=? AND state=?"
_FORGET: Final = tuple(
    f"DELETE FROM {table} WHERE job_id IN (SELECT value FROM json_each(?))"
    for table in ("aq_event", "aq_effect", "aq_progress", "aq_fire")
)
_LIMIT: Final = (
    "INSERT OR REPLACE INTO aq_limit(scope,paused,max_running,max_pending,breaker,gain,cost,burst,level,level_at) "
    "VALUES(?,?,?,?,?,?,?,?,?,?)"
)
_BREAKER: Final = "INSERT OR REPLACE INTO aq_breaker(name,state,failures,changed_at) VALUES(?,?,?,?)"
_SCHEDULE: Final = "INSERT OR REPLACE INTO aq_schedule(name,cron,tz,catchup,template,next_at) VALUES(?,?,?,?,?,?)"
_FIRE: Final = "INSERT OR IGNORE INTO aq_fire(name,fire_at,job_id) VALUES(?,?,?)"


class SqliteTables:
    """Tables of the seam in tables.py, on one connection in autocommit mode."""

    def __init__(self, connection: sqlite3.Connection, *, asks_first: bool = True) -> None:
        """Use the connection, which has the schema.

        asks_first: whether a job's uid is looked for before the job is inserted; else one that is there raises
        sqlite3.IntegrityError, and everything is to be done again with asking first.
        """
        self._connection = connection
        self._asks_first = asks_first
        self._log = EventLog(connection)
        self._foreseen: dict[int, JobRow] = {}
        self._foreseen_effects: dict[int, int] = {}
        self._outlook: Outlook | None = None

    def foresee(self, job_ids: Sequence[int]) -> None:
        """Read these jobs, and count their effects, in one go: the next question after each is answered by that."""
        if len(job_ids) < 2:
            return
        ids = json.dumps(job_ids)
        rows = self._rows(f"{_SELECT} WHERE id IN (SELECT value FROM json_each(?))", ids)
        self._foreseen = {row.id: row for row in rows}
        counted = self._connection.execute(
            "SELECT job_id, count(*) FROM aq_effect WHERE state='applied' "
            "AND job_id IN (SELECT value FROM json_each(?)) GROUP BY job_id",
            (ids,),
        )
        self._foreseen_effects = {**dict.fromkeys(self._foreseen, 0), **dict(counted)}

    def write_events(self) -> None:
        """Write the lines of the log that wait to be written together. Due before the transaction ends."""
        self._log.write()

    def drop_events(self) -> None:
        """Forget the lines that wait: what they tell of is undone."""
        self._log.drop()

    def _rows(self, sql: str, *values: object) -> list[JobRow]:
        return [job_row(columns) for columns in self._connection.execute(sql, values)]

    def insert_job(self, job: JobRow) -> int | None:
        """Insert, ignoring job.id, and return the id given; None if a job of this uid is there."""
        if self._asks_first and self.job_with_uid(job.uid) is not None:
            return None
        self._outlook = None
        return self._connection.execute(_INSERT_ROW, (None, *job_values(job)[1:], *life_values(job.life))).lastrowid

    def job(self, job_id: int) -> JobRow | None:
        """The job of this id."""
        foreseen = self._foreseen.pop(job_id, None)
        if foreseen is not None:
            return foreseen
        return next(iter(self._rows(f"{_SELECT} WHERE id=?", job_id)), None)

    def glance(self, job_id: int) -> JobRow | None:
        """The job of this id."""
        return self.job(job_id)

    def job_with_uid(self, uid: str) -> int | None:
        """The id of the job enqueued by this request."""
        row = self._connection.execute("SELECT id FROM aq_job WHERE uid=?", (uid,)).fetchone()
        return None if row is None else int(row[0])

    def live_twin(self, task: str, unique_key: str) -> int | None:
        """The pending or running job of this task and key."""
        row = self._connection.execute(
            "SELECT id FROM aq_job WHERE task=? AND unique_key=? AND state IN('pending','running')", (task, unique_key)
        ).fetchone()
        return None if row is None else int(row[0])

    def replace_job(self, before: JobRow, after: JobRow) -> None:
        """Write `after` over `before`; 0 rows updated is LeaseLost."""
        self._foreseen.pop(before.id, None)
        self._outlook = None
        guard = (before.id, before.life.attempt, before.life.state)
        changed = self._connection.execute(_UPDATE, (*changing_values(after), *guard)).rowcount
        if changed != 1:
            raise changed_meanwhile(before, "written")

    def ready(self, now: int, limit: int, narrowing: Narrowing) -> list[JobRow]:
        """Due pending jobs whose key is free, highest priority first, then oldest due first."""
        if narrowing.overdue or narrowing.isolated:
            self._outlook = self._outlook or outlook(self._connection, now)
            if not self._outlook.has_overdue if narrowing.overdue else not self._outlook.has_crashed:
                return []
        return ready_rows(self._connection, now, limit, narrowing)

    def take_ready(self, now: int, limit: int, narrowing: Narrowing, claim: Claim) -> list[JobRow]:
        """Claim what `ready` finds, in one statement."""
        rows, lines = claim_rows(self._connection, now, limit, narrowing, claim)
        self._foreseen.clear()
        self._log.waiting += lines
        return rows

    def succeed(self, successes: Sequence[Success], now: int) -> None:
        """Settle running jobs as succeeded, in one statement each, prepared once."""
        self._log.waiting += succeed_rows(self._connection, successes, now)
        self._foreseen.clear()

    def count_running(self, task: str) -> int:
        """How many jobs of the task are running."""
        sql = "SELECT count(*) FROM aq_job WHERE state='running' AND task=?"
        return int(self._connection.execute(sql, (task,)).fetchone()[0])

    def pending_tasks(self, limit: int) -> list[str]:
        """The first `limit` tasks that have a pending job, by their names."""
        return [task for (task,) in self._connection.execute(PENDING_TASKS.format("?"), (limit,))]

    def count_pending(self, task: str | None, limit: int) -> int:
        """How many jobs are pending, of one task or of all, counted up to the limit."""
        sql = "SELECT count(*) FROM (SELECT 1 FROM aq_job WHERE state='pending' LIMIT ?)"
        if task is None:
            return int(self._connection.execute(sql, (limit,)).fetchone()[0])
        sql = "SELECT count(*) FROM (SELECT 1 FROM aq_job WHERE task=? AND state='pending' LIMIT ?)"
        return int(self._connection.execute(sql, (task, limit)).fetchone()[0])

    def progress(self, job_id: int) -> ProgressRow | None:
        """What was said last of how far the job is."""
        sql = "SELECT job_id,attempt,value,at FROM aq_progress WHERE job_id=?"
        return next((ProgressRow(*row) for row in self._connection.execute(sql, (job_id,))), None)

    def put_progress(self, row: ProgressRow) -> None:
        """Write what is said of a job."""
        self._connection.execute("INSERT OR REPLACE INTO aq_progress VALUES(?,?,?,?)", astuple(row))

    def limits(self) -> dict[str, LimitRow]:
        """Every limit, by scope."""
        sql = "SELECT scope,paused,max_running,max_pending,breaker,gain,cost,burst,level,level_at FROM aq_limit"
        return {row[0]: LimitRow(row[0], bool(row[1]), *row[2:]) for row in self._connection.execute(sql)}

    def put_limit(self, limit: LimitRow) -> None:
        """Write the limit of its scope."""
        self._connection.execute(_LIMIT, astuple(limit))

    def breakers(self) -> dict[str, BreakerRow]:
        """Every circuit breaker, by name."""
        rows = self._connection.execute("SELECT name,state,failures,changed_at FROM aq_breaker")
        return {row[0]: BreakerRow(*row) for row in rows}

    def put_breaker(self, breaker: BreakerRow) -> None:
        """Write the breaker of its name."""
        self._connection.execute(_BREAKER, astuple(breaker))

    def schedules(self) -> dict[str, ScheduleRow]:
        """Every schedule, by name, in the order of the names."""
        rows = self._connection.execute("SELECT name,cron,tz,catchup,template,next_at FROM aq_schedule ORDER BY name")
        return {row[0]: ScheduleRow(*row) for row in rows}

    def put_schedule(self, schedule: ScheduleRow) -> None:
        """Write the schedule of its name."""
        self._connection.execute(_SCHEDULE, astuple(schedule))

    def delete_schedule(self, name: str) -> bool:
        """Remove a schedule, and say whether there was one."""
        return self._connection.execute("DELETE FROM aq_schedule WHERE name=?", (name,)).rowcount > 0

    def add_fire(self, fire: FireRow) -> bool:
        """Write a fire, unless there is one for this name and time."""
        return self._connection.execute(_FIRE, astuple(fire)).rowcount > 0

    def has_fired(self, name: str, fire_at: int) -> bool:
        """Whether there is a fire for this name and time."""
        sql = "SELECT 1 FROM aq_fire WHERE name=? AND fire_at=?"
        return self._connection.execute(sql, (name, fire_at)).fetchone() is not None

    def missed(self, limit: int) -> list[FireRow]:
        """Fires without a job, newest first, then by name."""
        sql = "SELECT name,fire_at,job_id FROM aq_fire WHERE job_id IS NULL ORDER BY fire_at DESC, name LIMIT ?"
        return [FireRow(*row) for row in self._connection.execute(sql, (limit,))]

    def write(self, sql: str, parameters: Sequence[object]) -> Written:
        """Run one statement of the user on the user's own tables."""
        with only_writing_user_tables(self._connection) as problems:
            try:
                return Written(max(0, self._connection.execute(sql, tuple(parameters)).rowcount))
            except (sqlite3.Error, sqlite3.Warning, OverflowError, ValueError, TypeError) as error:
                if isinstance(error, sqlite3.Error) and not is_fault_of_statement(error):
                    raise
                raise WriteRefused(
                    f"{sql!r}: {', '.join(problems) or error}",
                    expected="one statement that writes rows into a table of yours",
                    advice="correct the statement; nothing of this transaction was written",
                ) from error

    def next_run_at(self, now: int) -> int | None:
        """When the next job that is not due yet will be."""
        self._outlook = self._outlook or outlook(self._connection, now)
        return self._outlook.next_run_at

    def claimed_with(self, nonce: str) -> list[JobRow]:
        """Running jobs taken by this one request to claim, in the order of `ready`."""
        sql = f"{_SELECT} WHERE state='running' AND claim_nonce=? ORDER BY priority DESC, run_at, id"
        return self._rows(sql, nonce)

    def expired(self, now: int, limit: int) -> list[JobRow]:
        """Running jobs whose lease ran out, oldest lease first."""
        sql = f"{_SELECT} WHERE state='running' AND lease_until<? ORDER BY lease_until, id LIMIT ?"
        return self._rows(sql, now, limit)

    def dead(self, limit: int) -> list[JobRow]:
        """Dead jobs, longest dead first."""
        return self._rows(f"{_SELECT} WHERE state='dead' ORDER BY finished_at, id LIMIT ?", limit)

    def count_states(self) -> Mapping[State, int]:
        """How many jobs are in each state."""
        return dict(self._connection.execute("SELECT state, count(*) FROM aq_job GROUP BY state"))

    def append_event(self, event: Event) -> None:
        """Write one line of the log."""
        self._log.waiting.append(event_values(event))

    def events(self, job_id: int) -> list[Event]:
        """The log of one job, oldest first."""
        self.write_events()
        sql = "SELECT job_id,at,kind,attempt,worker,detail FROM aq_event WHERE job_id=? ORDER BY seq"
        return [Event(*columns) for columns in self._connection.execute(sql, (job_id,))]

    def effect(self, key: str) -> EffectRow | None:
        """The ledger's line for this key."""
        sql = "SELECT key,job_id,attempt,nonce,state,result,at FROM aq_effect WHERE key=?"
        row = self._connection.execute(sql, (key,)).fetchone()
        return None if row is None else EffectRow(*row)

    def put_effect(self, effect: EffectRow) -> None:
        """Write the ledger's line for its key."""
        self._foreseen_effects.clear()
        self._connection.execute(_EFFECT, effect_values(effect))

    def count_applied_effects(self, job_id: int) -> int:
        """How many effects this job applied."""
        foreseen = self._foreseen_effects.pop(job_id, None)
        if foreseen is not None:
            return foreseen
        sql = "SELECT count(*) FROM aq_effect WHERE job_id=? AND state='applied'"
        return int(self._connection.execute(sql, (job_id,)).fetchone()[0])

    def violations(self, *, now: int, grace_ms: int, free_slots: int) -> tuple[Violation, ...]:
        """Run every query of invariants.sql."""
        self.write_events()
        parameters = {"now": now, "grace": grace_ms, "free": free_slots}
        found: list[Violation] = []
        for name, sql in INVARIANTS.items():
            used = {key: value for key, value in parameters.items() if f":{key}" in sql}
            rows = self._connection.execute(sql, used).fetchall()
            if rows:
                found.append(Violation(name, tuple(rows)))
        return tuple(found)

    def jobs_after(self, job_id: int, states: frozenset[State], limit: int) -> list[JobRow]:
        """Jobs in one of these states with a higher id, lowest id first."""
        marks = ",".join("?" * len(states))
        return self._rows(
            f"{_SELECT} WHERE id>? AND state IN({marks}) ORDER BY id LIMIT ?", job_id, *sorted(states), limit
        )

    def delete_job(self, job: JobRow) -> None:
        """Remove the row; 0 rows removed is LeaseLost."""
        self._foreseen.pop(job.id, None)
        self._outlook = None
        if self._connection.execute(_DELETE, (job.id, job.life.attempt, job.life.state)).rowcount != 1:
            raise changed_meanwhile(job, "removed")
        self._connection.execute("DELETE FROM aq_progress WHERE job_id=?", (job.id,))

    def remove_ended(self, jobs: Sequence[JobRow]) -> int:
        """Remove those that are still as they were read, with all that is stored of them."""
        self.write_events()
        as_read = [(job.id, job.life.attempt, job.life.state) for job in jobs if job.life.state in TERMINAL]
        gone = [guard[0] for guard in as_read if self._connection.execute(_DELETE, guard).rowcount]
        for sql in _FORGET:
            self._connection.execute(sql, (json.dumps(gone),))
        return len(gone)

    def count_tasks(self, now: int) -> list[TaskCount]:
        """Every task and state that has a job, by task, then by state."""
        due = "CASE WHEN state='pending' AND run_at<=? THEN run_at END"
        sql = f"SELECT task,state,count(*),count({due}),min({due}) FROM aq_job GROUP BY task,state ORDER BY task,state"
        return [TaskCount(*row) for row in self._connection.execute(sql, (now, now))]

    def count_events(self, since: int) -> dict[tuple[str, EventKind], int]:
        """Events written at `since` or later, by task and kind."""
        self.write_events()
        sql = (
            "SELECT coalesce(j.task,''),e.kind,count(*) FROM aq_event e LEFT JOIN aq_job j ON j.id=e.job_id "
            "WHERE e.at>=? GROUP BY 1,2 ORDER BY 1,2"
        )
        return {(row[0], row[1]): int(row[2]) for row in self._connection.execute(sql, (since,))}

    def storage_faults(self) -> tuple[str, ...]:
        """What PRAGMA integrity_check says."""
        said = tuple(str(row[0]) for row in self._connection.execute("PRAGMA integrity_check"))
        return () if said == ("ok",) else said

    def load(
        self,
        jobs: Iterable[JobRow],
        events: Iterable[Event],
        effects: Iterable[EffectRow],
        limits: Iterable[LimitRow],
        breakers: Iterable[BreakerRow],
        schedules: Iterable[ScheduleRow],
        fires: Iterable[FireRow],
    ) -> None:
        """Write rows as they are, into empty tables."""
        self._connection.execute("BEGIN")
        jobs_values = ((*job_values(job), *life_values(job.life)) for job in jobs)
        self._connection.executemany(_INSERT_ROW, jobs_values)
        self._connection.executemany(INSERT_EVENT, map(event_values, events))
        self._connection.executemany(_EFFECT, map(effect_values, effects))
        self._connection.executemany(_LIMIT, map(astuple, limits))
        self._connection.executemany(_BREAKER, map(astuple, breakers))
        self._connection.executemany(_SCHEDULE, map(astuple, schedules))
        self._connection.executemany(_FIRE, map(astuple, fires))
        self._connection.execute("COMMIT")
