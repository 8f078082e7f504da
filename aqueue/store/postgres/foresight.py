"""Reads and locks what a batch is going to look at, in as few round trips as there are answers to wait for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from aqueue.store.columns import job_row
from aqueue.store.postgres import sql
from aqueue.store.postgres.footprint import Footprint
from aqueue.store.postgres.statements import Statements
from aqueue.store.rows import EffectRow, JobRow, LimitRow

__all__ = ["Foreseen", "foresee", "limit_rows"]


@dataclass(eq=False, slots=True)
class Foreseen:
    """What is known without asking. rows: locked; None: there is no such job. A key that is missing is not known.

    now: the time of the transaction.   has_overdue, has_crashed: whether there may be such pending jobs; None: unknown.
    is_deep: whether more are pending than a claim looks through in the order of urgency, likewise.
    ids: taken for new jobs whose key, if they have one, is locked.
    """

    now: int = 0
    has_overdue: bool | None = None
    has_crashed: bool | None = None
    is_deep: bool | None = None
    rows: dict[int, JobRow | None] = field(default_factory=dict[int, "JobRow | None"])
    effects: dict[str, EffectRow | None] = field(default_factory=dict[str, "EffectRow | None"])
    applied: dict[int, int] = field(default_factory=dict[int, int])
    claimed: dict[str, list[JobRow]] = field(default_factory=dict[str, list[JobRow]])
    uids: dict[str, int | None] = field(default_factory=dict[str, "int | None"])
    twins: dict[tuple[str, str], int | None] = field(default_factory=dict[tuple[str, str], "int | None"])
    limits: dict[str, LimitRow] | None = None
    ids: list[int] = field(default_factory=list[int])

    def keep(self, columns: Iterable[tuple[Any, ...]]) -> list[JobRow]:
        """Rows that are locked, as they are now: nobody else can change them before this transaction ends."""
        found = [job_row(each) for each in columns]
        for row in found:
            self.rows[row.id] = row
        return found


def foresee(statements: Statements, footprint: Footprint, *, fixed_now: int | None) -> Foreseen:
    """Lock in the order of footprint's rule 2, read, and take the time. fixed_now: where it is not the server's."""
    run, seen = statements.run, Foreseen()
    jobs, effects = sorted(footprint.jobs), sorted(footprint.effects)
    counted = sorted(footprint.succeeding)
    if footprint.keys:
        run(sql.LOCK_KEYS, (sorted(footprint.keys),))
    job_rows = run(sql.BY_ID, (jobs,)) if jobs else None
    effect_rows = run(sql.EFFECTS, (effects,)) if effects else None
    if footprint.limits_locked:
        run(sql.LOCK_LIMITS)
    applied = run(sql.COUNT_EFFECTS, (counted,)) if counted else None
    uids = run(sql.UIDS, ([new.uid for new in footprint.news],)) if footprint.news else None
    twins = [(new.task, new.unique_key) for new in footprint.news if new.unique_key is not None]
    twin_rows = run(sql.TWINS, ([task for task, _ in twins], [key for _, key in twins])) if twins else None
    now = run(sql.OUTLOOK, (fixed_now, sorted(footprint.nonces))) if footprint.claims else run(sql.NOW, (fixed_now,))
    # From here on answers are looked at; the first look sends all of the above.
    if job_rows is not None:
        seen.rows.update(dict.fromkeys(jobs))
        seen.keep(job_rows.fetchall())
    if effect_rows is not None:
        seen.effects = dict.fromkeys(effects) | {row[0]: EffectRow(*row) for row in effect_rows.fetchall()}
    if applied is not None:
        seen.applied = dict.fromkeys(counted, 0) | dict(applied.fetchall())
    if uids is not None:
        seen.uids = dict.fromkeys([new.uid for new in footprint.news]) | dict(uids.fetchall())
    seen.twins = dict.fromkeys(twins)
    if twin_rows is not None:
        seen.twins.update(((task, key), job_id) for task, key, job_id in twin_rows.fetchall())
    ((seen.now, *outlook),) = now.fetchall()
    if outlook:
        seen.has_overdue, seen.has_crashed, seen.is_deep, is_repeated, limits = outlook
        seen.claimed = {} if is_repeated else {nonce: [] for nonce in footprint.nonces}
        seen.limits = limit_rows(limits)
    seen.ids = _taken_ids(statements, footprint, seen)
    return seen


def _taken_ids(statements: Statements, footprint: Footprint, seen: Foreseen) -> list[int]:
    """An id for each job that will be made, the first one last."""
    count = sum(
        seen.uids[new.uid] is None and (new.unique_key is None or seen.twins[new.task, new.unique_key] is None)
        for new in footprint.news
    )
    if not count:
        return []
    return [job_id for (job_id,) in reversed(statements.run(sql.TAKE_IDS, (count,)).fetchall())]


def limit_rows(columns: Iterable[tuple[Any, ...]]) -> dict[str, LimitRow]:
    """Limits by scope."""
    return {row[0]: LimitRow(row[0], bool(row[1]), *row[2:]) for row in columns}
