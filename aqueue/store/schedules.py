"""Schedules: at each nominal time one job, however many workers look at the clock.

Rule 1: a fire and its job are one transaction, and (name, nominal time) is unique: who comes second does nothing.
Rule 2: a nominal time that makes no job is written down as missed, never forgotten in silence.
Rule 3: a worker fires what its own code declares. What nobody declares any more stays, and does not advance; L4 of the
        invariants shows it until somebody removes it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import msgspec
from msgspec import structs

from aqueue.cron import due, next_after, oldest_due
from aqueue.store.enqueueing import enqueue_one
from aqueue.store.rows import Catchup, FireRow, NewJob, ScheduleRow
from aqueue.store.tables import Tables

__all__ = ["DeclareSchedule", "Fire", "Fired", "Missed", "Schedules", "Unschedule"]

ON_TIME_MS: Final = 60_000
"""How late a fire may be and still count as on time, where times that are past are not made up for."""
AT_ONCE_MAX: Final = 100
"""Fires of one schedule in one transaction, and missed times that are written down at once."""

_template = msgspec.json.Decoder(NewJob)


@dataclass(frozen=True, slots=True)
class DeclareSchedule:
    """Store a schedule as the code has it. The next time stays what it was, unless the times themselves changed."""

    name: str
    cron: str
    tz: str
    catchup: Catchup
    template: NewJob

    def apply(self, tables: Tables, now: int) -> int:
        """Return the next nominal time."""
        known = tables.schedules().get(self.name)
        is_same = known is not None and (known.cron, known.tz) == (self.cron, self.tz)
        next_at = known.next_at if known is not None and is_same else next_after(self.cron, self.tz, now)
        row = ScheduleRow(self.name, self.cron, self.tz, self.catchup, msgspec.json.encode(self.template), next_at)
        if row != known:
            tables.put_schedule(row)
        return next_at


@dataclass(frozen=True, slots=True)
class Unschedule:
    """Remove a schedule, and say whether there was one. Jobs it made stay."""

    name: str

    def apply(self, tables: Tables, now: int) -> bool:  # noqa: ARG002 - the seam's signature
        """Remove it."""
        return tables.delete_schedule(self.name)


@dataclass(frozen=True, slots=True)
class Fired:
    """job_ids: made just now, in the order of their nominal times.   wait_ms: until the next one, None if none is."""

    job_ids: tuple[int, ...]
    missed: int
    wait_ms: int | None


@dataclass(frozen=True, slots=True)
class Fire:
    """T11: make the jobs of all nominal times that have come, of the schedules named."""

    names: tuple[str, ...]

    def apply(self, tables: Tables, now: int) -> Fired:
        """Each fire with its job and the next time, in this one transaction."""
        made: list[int] = []
        missed, waits = 0, list[int]()
        stored = tables.schedules()
        for name in self.names:
            schedule = stored.get(name)
            if schedule is None:
                continue
            next_at = schedule.next_at
            if next_at <= now:
                to_run, to_miss, next_at = _sorted_out(schedule, now)
                made += [job_id for at in to_run if (job_id := _fire(tables, schedule, at, now)) is not None]
                missed += sum(tables.add_fire(FireRow(name, at, None)) for at in to_miss)
                tables.put_schedule(replace(schedule, next_at=next_at))
            waits.append(max(0, next_at - now))
        return Fired(tuple(made), missed, min(waits, default=None))


def _sorted_out(schedule: ScheduleRow, now: int) -> tuple[list[int], list[int], int]:
    """Nominal times to run, those to write down as missed, and the one that comes next."""
    cron, tz, since = schedule.cron, schedule.tz, schedule.next_at
    if schedule.catchup == "all":
        times = oldest_due(cron, tz, since, now, AT_ONCE_MAX)
        return times, [], next_after(cron, tz, times[-1] if times else now)
    times = due(cron, tz, since, now, AT_ONCE_MAX)
    next_at = next_after(cron, tz, now)
    if schedule.catchup == "last":
        return times[-1:], times[:-1], next_at
    if times and now - times[-1] <= ON_TIME_MS:
        return times[-1:], times[:-1], next_at
    return [], times, next_at


def _fire(tables: Tables, schedule: ScheduleRow, at: int, now: int) -> int | None:
    if tables.has_fired(schedule.name, at):
        return None
    new = structs.replace(_template.decode(schedule.template), uid=f"cron:{schedule.name}:{at}")
    enqueued = enqueue_one(tables, new, now)
    # A unique key whose job still lives stands for this time too: then the time has no job of its own.
    tables.add_fire(FireRow(schedule.name, at, enqueued.job_id if enqueued.created else None))
    return enqueued.job_id if enqueued.created else None


@dataclass(frozen=True, slots=True)
class Missed:
    """Read the nominal times that made no job, newest first."""

    limit: int

    def apply(self, tables: Tables, now: int) -> tuple[FireRow, ...]:  # noqa: ARG002 - the seam's signature
        """Return them; reading changes nothing."""
        return tuple(tables.missed(self.limit))


@dataclass(frozen=True, slots=True)
class Schedules:
    """Read every schedule."""

    def apply(self, tables: Tables, now: int) -> tuple[ScheduleRow, ...]:  # noqa: ARG002 - the seam's signature
        """Return them in the order of their names."""
        return tuple(tables.schedules().values())
