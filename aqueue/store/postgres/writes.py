"""Writes that wait to be sent to PostgreSQL: what one batch changes goes there in a few statements, not one per row.

Rule 1: whoever reads the database by anything but a row's key has the writes sent first.
Rule 2: a write that finds another row than it expects makes its statement fail on the server (division by zero), and
        the transaction with it: nobody has to wait for a count of rows before the commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass, field, fields
from typing import Any, Final, TypeAlias

from aqueue.lifecycle import Claim
from aqueue.store.columns import CHANGING, JOB, LIFE, changing_values, event_values, job_values, life_values
from aqueue.store.rows import BreakerRow, EffectRow, Event, JobRow, LimitRow, ProgressRow, ScheduleRow, Success

__all__ = ["GUARD_FAILED", "Execute", "Writes", "array", "storable"]

Execute: TypeAlias = "Callable[[str, Sequence[object]], Any]"
GUARD_FAILED: Final = "22012"
"""SQLSTATE of a division by zero, which no statement of ours has other than by its guard."""

_TYPES: Final = {
    **dict.fromkeys(("id", "payload_crc", "priority", "deadline", "created_at", "run_at"), "bigint"),
    **dict.fromkeys(("lease_until", "cancel_at", "finished_at", "job_id", "at"), "bigint"),
    **dict.fromkeys(("max_attempts", "max_claims", "max_redrives", "attempt", "failures", "redrives"), "int"),
    **dict.fromkeys(("payload", "result"), "bytea"),
    "crashes": "int",
}
_EVENT: Final = ("job_id", "at", "kind", "attempt", "worker", "detail")


def _unnested(columns: Sequence[str]) -> str:
    types = (_TYPES.get(name, "text") for name in columns)
    return f"unnest({','.join(f'%s::{each}[]' for each in types)})"


_NEW: Final = (*JOB, *LIFE)
_INSERT_JOBS: Final = f"INSERT INTO aq_job({','.join(_NEW)}) SELECT * FROM {_unnested(_NEW)}"
_INSERT_EVENTS: Final = f"INSERT INTO aq_event({','.join(_EVENT)}) SELECT * FROM {_unnested(_EVENT)}"
_UPDATE_JOBS: Final = (
    f"WITH written AS (UPDATE aq_job j SET {','.join(f'{name}=u.{name}' for name in CHANGING)} "
    f"FROM {_unnested((*CHANGING, 'id', 'attempt', 'state'))} "
    f"AS u({','.join(CHANGING)},guarded,attempt_before,state_before) "
    "WHERE j.id=u.guarded AND j.attempt=u.attempt_before AND j.state=u.state_before RETURNING 1) "
    "SELECT 1/(count(*)=%s)::int FROM written"
)
# The two steps that every job takes, each for many jobs, with their lines of the log, guarded like _UPDATE_JOBS. What
# they do to a row is the transition of lifecycle.advance (tests/aqueue/test_together.py). A job is looked for by its
# id, and not in an index of all that are pending, which an expression keeps out.
_TAKE_JOBS: Final = (
    "WITH taken AS (UPDATE aq_job SET state='running',attempt=attempt+1,worker=%s,claim_nonce=%s,lease_until=%s "
    "WHERE id=ANY(%s::bigint[]) AND state||''='pending' RETURNING id,attempt), "
    "logged AS (INSERT INTO aq_event(job_id,at,kind,attempt,worker) SELECT t.id,%s,'claimed',t.attempt,%s "
    "FROM unnest(%s::bigint[]) WITH ORDINALITY AS u(id,place) JOIN taken t ON t.id=u.id ORDER BY u.place) "
    "SELECT 1/(count(*)=%s)::int FROM taken"
)
_SUCCEED_JOBS: Final = (
    "WITH u AS MATERIALIZED (SELECT * FROM unnest(%s::bigint[],%s::int[],%s::text[],%s::bytea[]) "
    "WITH ORDINALITY AS u(id,attempt,worker,result,place)), "
    "written AS (UPDATE aq_job j SET state='succeeded',worker=NULL,claim_nonce=NULL,lease_until=NULL,finished_at=%s,"
    "result=u.result FROM u WHERE j.id=u.id AND j.attempt=u.attempt AND j.state='running' RETURNING 1), "
    "logged AS (INSERT INTO aq_event(job_id,at,kind,attempt,worker,detail) SELECT u.id,%s,'succeeded',u.attempt,"
    "u.worker,'effects='||(SELECT count(*) FROM aq_effect e WHERE e.job_id=u.id AND e.state='applied') "
    "FROM u ORDER BY u.place) SELECT 1/(count(*)=%s)::int FROM written"
)
_EFFECT_COLUMNS: Final = "key,job_id,attempt,nonce,state,result,at"
_KEYS: Final = {LimitRow: "scope", BreakerRow: "name", ScheduleRow: "name"}
_TABLES: Final = {LimitRow: "aq_limit", BreakerRow: "aq_breaker", ScheduleRow: "aq_schedule"}

Small: TypeAlias = "LimitRow | BreakerRow | ScheduleRow"


@dataclass(eq=False, slots=True)
class Writes:
    """What is to be sent, in the order in which it is: new jobs, changed jobs, events, all else.

    changed: by id, the row as the database has it and as it is to be.
    """

    new: list[JobRow] = field(default_factory=list[JobRow])
    changed: dict[int, tuple[JobRow, JobRow]] = field(default_factory=dict[int, tuple[JobRow, JobRow]])
    events: list[Event] = field(default_factory=list[Event])
    others: list[tuple[str, Sequence[object]]] = field(default_factory=list[tuple[str, Sequence[object]]])

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.new or self.changed or self.events or self.others)

    def change(self, before: JobRow, after: JobRow) -> None:
        """Write a row over what it was."""
        stored, _ = self.changed.get(before.id, (before, before))
        self.changed[before.id] = (stored, after)

    def add(self, later: Writes) -> None:
        """Have what `later` holds written after all this."""
        self.new += later.new
        for before, after in later.changed.values():
            self.change(before, after)
        self.events += later.events
        self.others += later.others

    def swap(self, before: Small | None, after: Small) -> None:
        """Write a row over the one that was read, or where none was; fails if somebody else wrote meanwhile."""
        kind = type(after)
        key = _KEYS[kind]
        values = [int(value) if isinstance(value, bool) else value for value in astuple(after)]
        columns = [column.name for column in fields(kind)]
        if before is None:
            places = ",".join(["%s"] * len(columns))
            self.others.append((f"INSERT INTO {_TABLES[kind]}({','.join(columns)}) VALUES({places})", values))
            return
        stored = [int(value) if isinstance(value, bool) else value for value in astuple(before)]
        same = " AND ".join(f"{name} IS NOT DISTINCT FROM %s" for name in columns)
        sql = (
            f"WITH written AS (UPDATE {_TABLES[kind]} SET {','.join(f'{name}=%s' for name in columns)} "
            f"WHERE {same} AND {key}=%s RETURNING 1) SELECT 1/(count(*)=1)::int FROM written"
        )
        self.others.append((sql, [*values, *stored, stored[0]]))

    def put_effect(self, effect: EffectRow, *, is_known: bool) -> None:
        """Write a line of the ledger, over the one that was read and locked, or where none was."""
        values = (effect.key, effect.job_id, effect.attempt, effect.nonce, effect.state, effect.result, effect.at)
        if is_known:
            sql = "UPDATE aq_effect SET job_id=%s,attempt=%s,nonce=%s,state=%s,result=%s,at=%s WHERE key=%s"
            self.others.append((sql, (*values[1:], effect.key)))
        else:
            self.others.append((f"INSERT INTO aq_effect({_EFFECT_COLUMNS}) VALUES(%s,%s,%s,%s,%s,%s,%s)", values))

    def put_progress(self, row: ProgressRow) -> None:
        """Write what is said of a job that is locked."""
        sql = (
            "INSERT INTO aq_progress VALUES(%s,%s,%s,%s) ON CONFLICT(job_id) DO UPDATE "
            "SET attempt=excluded.attempt,value=excluded.value,at=excluded.at"
        )
        self.others.append((sql, astuple(row)))

    def take(self, rows: Sequence[JobRow], claim: Claim, now: int) -> None:
        """Claim pending rows that are locked."""
        ids = array(row.id for row in rows)
        lease = (claim.worker, claim.nonce, claim.lease_until)
        self.others.append((_TAKE_JOBS, (*lease, ids, now, claim.worker, ids, len(rows))))

    def succeed(self, jobs: Sequence[Success], now: int) -> None:
        """Settle jobs that run, each at its attempt."""
        columns = _columns((job.job_id, job.attempt, job.worker, job.result) for job in jobs)
        self.others.append((_SUCCEED_JOBS, (*columns, now, now, len(jobs))))

    def send(self, execute: Execute) -> None:
        """Send everything, and forget it."""
        if self.new:
            execute(_INSERT_JOBS, _columns((*job_values(job), *life_values(job.life)) for job in self.new))
        if self.changed:
            rows = (
                (*changing_values(after), before.id, before.life.attempt, before.life.state)
                for before, after in self.changed.values()
            )
            execute(_UPDATE_JOBS, [*_columns(rows), len(self.changed)])
        if self.events:
            execute(_INSERT_EVENTS, _columns(map(event_values, self.events)))
        for sql, values in self.others:
            execute(sql, values)
        self.forget()

    def forget(self) -> None:
        """Drop everything."""
        self.new.clear()
        self.changed.clear()
        self.events.clear()
        self.others.clear()


def _columns(rows: Iterable[Sequence[object]]) -> list[str]:
    return [array(column) for column in zip(*rows, strict=True)]


def array(values: Iterable[object]) -> str:
    """The text of an array of numbers, texts or bytes: psycopg writes them value by value in Python.

    Source: PostgreSQL's documentation, «Array Input and Output Syntax».
    """
    return f"{{{','.join(map(_element, values))}}}"


def _element(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        text = str(storable(value)).replace("\\", "\\\\").replace('"', '\\"')
        return f'"{text}"'
    if isinstance(value, bytes):
        return f'"\\\\x{value.hex()}"'
    assert isinstance(value, int), value
    return str(int(value))


def storable(value: object) -> object:
    """The value, or for a text that PostgreSQL has no way to keep, one that tells what was there."""
    if not isinstance(value, str):
        return value
    if not value.isascii():
        value = value.encode("utf-8", "backslashreplace").decode()
    return value.replace("\0", "\\x00")
