"""The ledger of effects: which effect was begun, by which attempt, and whether it is known to be done.

Rule 1: an intent is written before the effect, by the job's current owner only.
Rule 2: «applied» is recorded by the attempt whose intent it is. That attempt may have lost its job meanwhile: what it
        says is still true of the world outside, and saying it turns a doubt of the next attempt into knowledge.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from aqueue.errors import LeaseLost
from aqueue.store.rows import EffectRow, JobRow
from aqueue.store.tables import Tables

__all__ = ["BeginEffect", "Begun", "RecordEffect"]


@dataclass(frozen=True, slots=True)
class Begun:
    """How things stand with an effect.

    fresh: nobody began it.   ambiguous: begun by an attempt that is over and never said how it ended.
    applied: done, `result` is what it returned.   busy: being performed by another job right now.
    """

    standing: Literal["fresh", "ambiguous", "applied", "busy"]
    result: bytes | None = None


@dataclass(frozen=True, slots=True)
class BeginEffect:
    """Write the intent to perform the effect of `key`. nonce: names this one `once` block."""

    job_id: int
    attempt: int
    key: str
    nonce: str

    def apply(self, tables: Tables, now: int) -> Begun:
        """Take the ledger's line if nobody else can still be at it."""
        job = tables.job(self.job_id)
        if not _owns(job, self.attempt):
            raise _lost(self.job_id, self.attempt, self.key)
        known = tables.effect(self.key)
        if known is None:
            tables.put_effect(EffectRow(self.key, self.job_id, self.attempt, self.nonce, "intent", None, now))
            return Begun("fresh")
        if known.state == "applied":
            return Begun("applied", known.result)
        if known.nonce == self.nonce:
            return Begun("fresh")
        if known.job_id != self.job_id and _owns(tables.job(known.job_id), known.attempt):
            return Begun("busy")
        mine = replace(known, job_id=self.job_id, attempt=self.attempt, at=now)
        tables.put_effect(mine)
        return Begun("ambiguous")


@dataclass(frozen=True, slots=True)
class RecordEffect:
    """Record that the effect of `key` is done, with what it returned."""

    job_id: int
    attempt: int
    key: str
    result: bytes

    def apply(self, tables: Tables, now: int) -> None:
        """Turn the attempt's own intent into «applied»; do nothing if it is that already."""
        known = tables.effect(self.key)
        if known is None or (known.job_id, known.attempt) != (self.job_id, self.attempt):
            raise _lost(self.job_id, self.attempt, self.key)
        if known.state == "intent":
            tables.put_effect(replace(known, state="applied", result=self.result, at=now))


def _owns(job: JobRow | None, attempt: int) -> bool:
    return job is not None and job.life.state == "running" and job.life.attempt == attempt


def _lost(job_id: int, attempt: int, key: str) -> LeaseLost:
    return LeaseLost(
        f"attempt {attempt} of job {job_id} may not write the effect {key!r}",
        expected="the attempt to be the job's current one",
        advice="let the handler end; the job's next attempt finds the ledger as it is",
    )
