"""Moving one stored job a step on: the row and its line of the log, written together."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from aqueue import lifecycle
from aqueue.errors import LeaseLost
from aqueue.lifecycle import Refused, Step
from aqueue.store.rows import Event, JobRow, Success
from aqueue.store.tables import Tables

__all__ = ["step_job", "succeed_each", "take_each"]


def step_job(
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


def take_each(tables: Tables, rows: Iterable[JobRow], claim: lifecycle.Claim, now: int) -> list[JobRow]:
    """Claim jobs that are ready, one by one."""
    taken: list[JobRow] = []
    for row in rows:
        after = step_job(tables, row, claim, now, worker=claim.worker)
        assert isinstance(after, JobRow), (row, after)
        taken.append(after)
    return taken


def succeed_each(tables: Tables, successes: Iterable[Success], now: int) -> None:
    """Settle jobs as succeeded, one by one. Raises LeaseLost at the first that is not at its attempt."""
    for success in successes:
        row = tables.job(success.job_id)
        step, detail = lifecycle.Succeed(success.attempt), f"effects={tables.count_applied_effects(success.job_id)}"
        settled: JobRow | Refused = Refused("there is no such job")
        if row is not None:
            changed = replace(row, result=success.result)
            settled = step_job(tables, row, step, now, worker=success.worker, detail=detail, changed=changed)
        if isinstance(settled, Refused):
            raise LeaseLost(
                f"Succeed of job {success.job_id}, attempt {success.attempt}, was refused: {settled.why}",
                expected="the attempt to be the job's current one",
                advice="nothing; somebody else owns the job, and this attempt wrote nothing",
            )
