"""Rows in SQLite: the SQL, and nothing of threads, transactions or time.

Rule 1: an update carries its guard (id, attempt, state) in its own WHERE, although the transaction already holds the
        write lock: a store that reads outside of it later must not be able to write by mistake.
Rule 2: no statement is built from values.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any, Final

from aqueue.errors import LeaseLost, SchemaMismatch
from aqueue.lifecycle import Life, State
from aqueue.store.rows import EffectRow, Event, JobRow, Violation

__all__ = ["INVARIANTS", "SqliteTables", "create_schema"]

SCHEMA_VERSION: Final = 1
_JOB: Final = (
    "id", "uid", "task", "payload", "payload_crc", "priority", "deadline", "order_key", "unique_key", "created_at",
    "error", "result",
)  # fmt: skip
_LIFE: Final = (
    "run_at", "max_attempts", "max_claims", "max_redrives", "state", "attempt", "failures", "redrives", "worker",
    "claim_nonce", "lease_until", "cancel_at", "finished_at", "dead_reason",
)  # fmt: skip
_COLUMNS: Final = ",".join((*_JOB, *_LIFE))
_SELECT: Final = f"SELECT {_COLUMNS} FROM aq_job"
_INSERT_ROW: Final = f"INSERT INTO aq_job({_COLUMNS}) VALUES({','.join('?' * len((*_JOB, *_LIFE)))})"
# What a transition may change: the life without its three maxima, and what the handler left behind.
_CHANGING: Final = ("run_at", *_LIFE[4:], "error", "result")
_UPDATE: Final = f"UPDATE aq_job SET {','.join(f'{name}=?' for name in _CHANGING)} WHERE id=? AND attempt=? AND state=?"
_READY: Final = (
    f"SELECT {','.join(f'j.{name}' for name in (*_JOB, *_LIFE))} FROM aq_job j "
    "WHERE j.state='pending' AND j.run_at<=? AND (j.order_key IS NULL OR NOT EXISTS("
    "SELECT 1 FROM aq_job o WHERE o.order_key=j.order_key AND o.state IN('pending','running') "
    "AND (o.state='running' OR o.id<j.id))) ORDER BY j.priority DESC, j.run_at, j.id LIMIT ?"
)
_EVENT: Final = "INSERT INTO aq_event(job_id,at,kind,attempt,worker,detail) VALUES(?,?,?,?,?,?)"
_EFFECT: Final = "INSERT OR REPLACE INTO aq_effect(key,job_id,attempt,nonce,state,result,at) VALUES(?,?,?,?,?,?,?)"

INVARIANTS: Final[Mapping[str, str]] = dict(
    re.findall(
        r"^-- name: (\w+)\n((?:.|\n)*?;)$",
        files("aqueue.store").joinpath("invariants.sql").read_text(encoding="utf-8"),
        flags=re.MULTILINE,
    )
)


def create_schema(connection: sqlite3.Connection) -> None:
    """Create the tables in an empty database; raise SchemaMismatch if they are of another version."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == 0:
        schema = files("aqueue.store").joinpath("schema.sql").read_text(encoding="utf-8")
        connection.executescript(f"BEGIN IMMEDIATE;{schema}COMMIT;")
    elif version != SCHEMA_VERSION:
        raise SchemaMismatch(
            f"the database has schema version {version}",
            expected=f"version {SCHEMA_VERSION}",
            advice="use the version of aqueue that wrote it, or another file",
        )


class SqliteTables:
    """Tables of the seam in rows.py, on one connection in autocommit mode."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Use the connection, which has the schema."""
        self._connection = connection

    def _rows(self, sql: str, *values: object) -> list[JobRow]:
        return [_job_row(columns) for columns in self._connection.execute(sql, values)]

    def insert_job(self, job: JobRow) -> int:
        """Insert, ignoring job.id, and return the id given."""
        cursor = self._connection.execute(_INSERT_ROW, (None, *_job_values(job)[1:], *_life_values(job.life)))
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def job(self, job_id: int) -> JobRow | None:
        """The job of this id."""
        return next(iter(self._rows(f"{_SELECT} WHERE id=?", job_id)), None)

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
        life = _life_values(after.life)
        changed = self._connection.execute(
            _UPDATE,
            (life[0], *life[4:], after.error, after.result, before.id, before.life.attempt, before.life.state),
        ).rowcount
        if changed != 1:
            raise LeaseLost(
                f"job {before.id} changed while it was being written",
                expected=f"attempt {before.life.attempt}, {before.life.state}",
                advice="nothing; the write was refused as a whole",
            )

    def ready(self, now: int, limit: int) -> list[JobRow]:
        """Due pending jobs whose key is free, highest priority first, then oldest due first."""
        return self._rows(_READY, now, limit)

    def next_run_at(self, now: int) -> int | None:
        """When the next job that is not due yet will be."""
        sql = "SELECT min(run_at) FROM aq_job WHERE state='pending' AND run_at>?"
        (run_at,) = self._connection.execute(sql, (now,)).fetchone()
        return None if run_at is None else int(run_at)

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
        self._connection.execute(_EVENT, _event_values(event))

    def events(self, job_id: int) -> list[Event]:
        """The log of one job, oldest first."""
        sql = "SELECT job_id,at,kind,attempt,worker,detail FROM aq_event WHERE job_id=? ORDER BY seq"
        return [Event(*columns) for columns in self._connection.execute(sql, (job_id,))]

    def effect(self, key: str) -> EffectRow | None:
        """The ledger's line for this key."""
        sql = "SELECT key,job_id,attempt,nonce,state,result,at FROM aq_effect WHERE key=?"
        row = self._connection.execute(sql, (key,)).fetchone()
        return None if row is None else EffectRow(*row)

    def put_effect(self, effect: EffectRow) -> None:
        """Write the ledger's line for its key."""
        self._connection.execute(_EFFECT, _effect_values(effect))

    def count_applied_effects(self, job_id: int) -> int:
        """How many effects this job applied."""
        sql = "SELECT count(*) FROM aq_effect WHERE job_id=? AND state='applied'"
        return int(self._connection.execute(sql, (job_id,)).fetchone()[0])

    def violations(self, *, now: int, grace_ms: int, free_slots: int) -> tuple[Violation, ...]:
        """Run every query of invariants.sql."""
        parameters = {"now": now, "grace": grace_ms, "free": free_slots}
        found: list[Violation] = []
        for name, sql in INVARIANTS.items():
            used = {key: value for key, value in parameters.items() if f":{key}" in sql}
            rows = self._connection.execute(sql, used).fetchall()
            if rows:
                found.append(Violation(name, tuple(rows)))
        return tuple(found)

    def load(self, jobs: Iterable[JobRow], events: Iterable[Event], effects: Iterable[EffectRow]) -> None:
        """Write rows as they are, into empty tables."""
        self._connection.execute("BEGIN")
        jobs_values = ((*_job_values(job), *_life_values(job.life)) for job in jobs)
        self._connection.executemany(_INSERT_ROW, jobs_values)
        self._connection.executemany(_EVENT, map(_event_values, events))
        self._connection.executemany(_EFFECT, map(_effect_values, effects))
        self._connection.execute("COMMIT")


def _job_values(job: JobRow) -> tuple[object, ...]:
    return (
        job.id, job.uid, job.task, job.payload, job.payload_crc, job.priority, job.deadline, job.order_key,
        job.unique_key, job.created_at, job.error, job.result,
    )  # fmt: skip


def _life_values(life: Life) -> tuple[object, ...]:
    return (
        life.run_at, life.max_attempts, life.max_claims, life.max_redrives, life.state, life.attempt, life.failures,
        life.redrives, life.worker, life.claim_nonce, life.lease_until, life.cancel_at, life.finished_at,
        life.dead_reason,
    )  # fmt: skip


def _job_row(columns: tuple[Any, ...]) -> JobRow:
    own, life = columns[: len(_JOB)], columns[len(_JOB) :]
    return JobRow(**dict(zip(_JOB, own, strict=True)), life=Life(*life))


def _event_values(event: Event) -> tuple[object, ...]:
    return (event.job_id, event.at, event.kind, event.attempt, event.worker, event.detail)


def _effect_values(row: EffectRow) -> tuple[object, ...]:
    return (row.key, row.job_id, row.attempt, row.nonce, row.state, row.result, row.at)
