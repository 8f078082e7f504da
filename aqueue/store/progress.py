"""How far a handler says that its job is: a note beside the job, which nothing is decided by."""

from __future__ import annotations

from dataclasses import dataclass

from aqueue.errors import LeaseLost
from aqueue.store.rows import ProgressRow
from aqueue.store.tables import Tables

__all__ = ["Report"]


@dataclass(frozen=True, slots=True)
class Report:
    """Write down what the job's current owner says of it, over what was said before. value: as JSON."""

    job_id: int
    attempt: int
    value: bytes

    def apply(self, tables: Tables, now: int) -> None:
        """Write it; twice is as good. Raises LeaseLost."""
        job = tables.job(self.job_id)
        if job is None or job.life.state != "running" or job.life.attempt != self.attempt:
            raise LeaseLost(
                f"attempt {self.attempt} of job {self.job_id} may not say how far it is",
                expected="the attempt to be the job's current one",
                advice="let the handler end; nothing it does for this job counts any more",
            )
        tables.put_progress(ProgressRow(self.job_id, self.attempt, self.value, now))
