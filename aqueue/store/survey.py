"""What an operator asks of a store as a whole: who works on what, how deep it is, how fast it moves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aqueue.lifecycle import EventKind
from aqueue.store.limits import QUEUE
from aqueue.store.rows import BreakerRow, Event, JobRow, LimitRow, Narrowing, ProgressRow, TaskCount
from aqueue.store.tables import Tables

__all__ = ["Faults", "History", "Now", "Remembered", "Statistics", "Stats", "Untaken", "Workload", "Works"]

FOR_EVER: Final = 2**62


@dataclass(frozen=True, slots=True)
class Works:
    """running: each with the time of its claim, the lease that ends first, first.   due: pending, most urgent first."""

    running: tuple[tuple[JobRow, int | None], ...]
    due: tuple[JobRow, ...]
    now: int


@dataclass(frozen=True, slots=True)
class Workload:
    """Read up to `limit` running jobs and as many due ones that could be taken."""

    limit: int

    def apply(self, tables: Tables, now: int) -> Works:
        """Return them."""
        running = tables.expired(FOR_EVER, self.limit)
        claims = {row.id: [each.at for each in tables.events(row.id) if each.kind == "claimed"] for row in running}
        return Works(
            tuple((row, claims[row.id][-1] if claims[row.id] else None) for row in running),
            tuple(tables.ready(now, self.limit, Narrowing())),
            now,
        )


@dataclass(frozen=True, slots=True)
class Untaken:
    """Find tasks that nobody works on: jobs due for grace_ms, none running, none claimed since, no limit in the way.

    What a store can see of tasks that no worker knows. No worker at all, or a long queue of more urgent jobs, looks
    the same.
    """

    grace_ms: int

    def apply(self, tables: Tables, now: int) -> tuple[TaskCount, ...]:
        """Return their pending jobs, by task."""
        counts, limits = tables.count_tasks(now), tables.limits()
        if QUEUE in limits and limits[QUEUE].paused:
            return ()
        waiting = [each for each in counts if each.oldest_due is not None and each.oldest_due < now - self.grace_ms]
        if not waiting:
            return ()
        busy = {each.task for each in counts if each.state == "running"}
        busy |= {task for task, kind in tables.count_events(now - self.grace_ms) if kind == "claimed"}
        breakers = tables.breakers()
        for scope, limit in limits.items():
            breaker = breakers.get(limit.breaker or "")
            if limit.paused or (breaker is not None and breaker.state != "closed"):
                busy.add(scope.removeprefix("task:"))
        return tuple(each for each in waiting if each.task not in busy)


@dataclass(frozen=True, slots=True)
class Statistics:
    """tasks: by task and state.   events: within the window, by task and kind.   limits, breakers: by name."""

    tasks: tuple[TaskCount, ...]
    events: Mapping[tuple[str, EventKind], int]
    limits: tuple[LimitRow, ...]
    breakers: tuple[BreakerRow, ...]
    now: int


@dataclass(frozen=True, slots=True)
class Stats:
    """Count what is stored, and what happened within the last window_ms."""

    window_ms: int

    def apply(self, tables: Tables, now: int) -> Statistics:
        """Return the counts."""
        limits, breakers = tables.limits(), tables.breakers()
        return Statistics(
            tuple(tables.count_tasks(now)),
            tables.count_events(now - self.window_ms),
            tuple(limits[scope] for scope in sorted(limits)),
            tuple(breakers[name] for name in sorted(breakers)),
            now,
        )


@dataclass(frozen=True, slots=True)
class Remembered:
    """A job by its log. job: None if its row was purged.   progress: what was said last of how far it is."""

    job: JobRow | None
    events: tuple[Event, ...]
    progress: ProgressRow | None
    now: int


@dataclass(frozen=True, slots=True)
class History:
    """Read one job, also one that was purged."""

    job_id: int

    def apply(self, tables: Tables, now: int) -> Remembered | None:
        """Return what is known of it, None if there never was one."""
        row, events = tables.job(self.job_id), tuple(tables.events(self.job_id))
        return Remembered(row, events, tables.progress(self.job_id), now) if row is not None or events else None


@dataclass(frozen=True, slots=True)
class Faults:
    """Ask the storage itself what is broken."""

    def apply(self, tables: Tables, now: int) -> tuple[str, ...]:  # noqa: ARG002 - the seam's signature
        """Return its words."""
        return tables.storage_faults()


@dataclass(frozen=True, slots=True)
class Now:
    """Ask what time it is for the store."""

    def apply(self, tables: Tables, now: int) -> int:  # noqa: ARG002 - the seam's signature
        """Return its time."""
        return now
