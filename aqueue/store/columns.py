"""The columns of stored rows, in the order in which every database of ours keeps and returns them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, Final

from aqueue.errors import LeaseLost
from aqueue.lifecycle import Life
from aqueue.store.rows import EffectRow, Event, JobRow

__all__ = [
    "CHANGING",
    "EVERY_KEY",
    "EVERY_TASK",
    "INVARIANTS",
    "JOB",
    "KEY_IS_FREE",
    "LIFE",
    "LIVE",
    "PENDING_TASKS",
    "changed_meanwhile",
    "changing_values",
    "effect_values",
    "event_values",
    "job_row",
    "job_values",
    "life_values",
]

JOB: Final = (
    "id", "uid", "task", "payload", "payload_crc", "priority", "deadline", "order_key", "unique_key", "created_at",
    "error", "result", "headers",
)  # fmt: skip
LIFE: Final = (
    "run_at", "max_attempts", "max_claims", "max_redrives", "state", "attempt", "failures", "redrives", "worker",
    "claim_nonce", "lease_until", "cancel_at", "finished_at", "dead_reason", "crashes",
)  # fmt: skip
# What a transition may change: the life without its three maxima, and what the handler left behind.
CHANGING: Final = ("run_at", *LIFE[4:], "error", "result")
# From one task to the next, and from one order key to the next, whatever the number of jobs. Of all indexes only
# aq_task and aq_order cover what is said of the state, in their own words: SQLite draws no conclusions, and PostgreSQL
# would choose among several by statistics, which a young queue has none of.
LIVE: Final = "state IN('pending','running')"
_FIRST_TASK: Final = f"SELECT min(task) FROM aq_job WHERE {LIVE}"
_FIRST_KEY: Final = f"SELECT min(order_key) FROM aq_job WHERE order_key IS NOT NULL AND {LIVE}"
EVERY_TASK: Final = (
    f"every_task(name) AS (SELECT ({_FIRST_TASK}) UNION ALL "
    f"SELECT ({_FIRST_TASK} AND task>t.name) FROM every_task t WHERE t.name IS NOT NULL)"
)
EVERY_KEY: Final = (
    f"every_key(name) AS (SELECT ({_FIRST_KEY}) UNION ALL "
    f"SELECT ({_FIRST_KEY} AND order_key>k.name) FROM every_key k WHERE k.name IS NOT NULL)"
)
# The place is that of the limit.
PENDING_TASKS: Final = (
    f"WITH RECURSIVE {EVERY_TASK} SELECT name FROM every_task t WHERE name IS NOT NULL "
    f"AND EXISTS(SELECT 1 FROM aq_job WHERE task=t.name AND state='pending' AND {LIVE}) LIMIT {{}}"
)
# Of a job that has an order key: no job of it runs, and no older one lives.
KEY_IS_FREE: Final = (
    "NOT EXISTS(SELECT 1 FROM aq_job o WHERE o.order_key=j.order_key AND o.state IN('pending','running') "
    "AND (o.state='running' OR o.id<j.id))"
)
INVARIANTS: Final[Mapping[str, str]] = dict(
    re.findall(
        r"^-- name: (\w+)\n((?:.|\n)*?;)$",
        files("aqueue.store").joinpath("invariants.sql").read_text(encoding="utf-8"),
        flags=re.MULTILINE,
    )
)


def changed_meanwhile(job: JobRow, doing: str) -> LeaseLost:
    """What is raised where a row is no longer as it was read. doing: what was being done to it."""
    return LeaseLost(
        f"job {job.id} changed while it was being {doing}",
        expected=f"attempt {job.life.attempt}, {job.life.state}",
        advice="nothing; the write was refused as a whole",
    )


def job_values(job: JobRow) -> tuple[object, ...]:
    """The values of JOB."""
    return (
        job.id, job.uid, job.task, job.payload, job.payload_crc, job.priority, job.deadline, job.order_key,
        job.unique_key, job.created_at, job.error, job.result, job.headers,
    )  # fmt: skip


def life_values(life: Life) -> tuple[object, ...]:
    """The values of LIFE."""
    return (
        life.run_at, life.max_attempts, life.max_claims, life.max_redrives, life.state, life.attempt, life.failures,
        life.redrives, life.worker, life.claim_nonce, life.lease_until, life.cancel_at, life.finished_at,
        life.dead_reason, life.crashes,
    )  # fmt: skip


def changing_values(job: JobRow) -> tuple[object, ...]:
    """The values of CHANGING."""
    life = life_values(job.life)
    return (life[0], *life[4:], job.error, job.result)


def job_row(columns: tuple[Any, ...]) -> JobRow:
    """The job of (*JOB, *LIFE)."""
    (number, uid, task, payload, payload_crc, priority, deadline, order_key, unique_key, created_at) = columns[:10]
    (error, result, headers, *life) = columns[10:]
    return JobRow(
        number, uid, task, payload, payload_crc, priority, deadline, order_key, unique_key, created_at,
        Life(*life), error, result, headers,
    )  # fmt: skip


def event_values(event: Event) -> tuple[object, ...]:
    """The values of an event, its job first."""
    return (event.job_id, event.at, event.kind, event.attempt, event.worker, event.detail)


def effect_values(row: EffectRow) -> tuple[object, ...]:
    """The values of a line of the ledger, its key first."""
    return (row.key, row.job_id, row.attempt, row.nonce, row.state, row.result, row.at)
