"""When a cron expression is due: nominal times in a time zone, as UTC milliseconds.

It knows cronsim and zoneinfo, and neither stores nor clocks.
Summer time is treated as Debian's cron does: an expression with a fixed minute and hour runs once on each day it names,
also on the day whose hour is left out (right after the gap) or comes twice (the first time); one with a star in minute
or hour follows the clock on the wall, which an hour that comes twice shows twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice, takewhile
from typing import Final
from zoneinfo import ZoneInfo

from aqueue.errors import BadOption, MissingExtra

__all__ = ["check_schedule", "due", "next_after", "oldest_due"]

_FIRST_SPAN_MS: Final = 2 * 3600 * 1000


def check_schedule(cron: str, tz: str) -> None:
    """Raise BadOption unless the expression and the zone mean something, and the expression ever comes true."""
    next_after(cron, tz, 0)


def next_after(cron: str, tz: str, after_ms: int) -> int:
    """The first nominal time after the given one."""
    for nominal in _times(cron, tz, after_ms):
        return nominal
    raise _bad(f"cron={cron!r} never comes true", "an expression that names a day that exists")


def oldest_due(cron: str, tz: str, since_ms: int, now_ms: int, limit: int) -> list[int]:
    """The first `limit` nominal times in [since, now], oldest first."""
    return list(islice(takewhile(lambda at: at <= now_ms, _times(cron, tz, since_ms - 1)), limit))


def due(cron: str, tz: str, since_ms: int, now_ms: int, limit: int) -> list[int]:
    """The last `limit` nominal times in [since, now], oldest first.

    It looks at ever longer stretches before now: a minute's schedule that nobody ran for a year has half a million.
    """
    span_ms = _FIRST_SPAN_MS
    while True:
        start = max(since_ms, now_ms - span_ms)
        found = list(takewhile(lambda at: at <= now_ms, _times(cron, tz, start - 1)))
        if len(found) >= limit or start == since_ms:
            return found[-limit:]
        span_ms *= 8


def _times(cron: str, tz: str, after_ms: int) -> Iterator[int]:
    try:
        from cronsim import CronSim, CronSimError  # an extra: a queue without schedules does without it
    except ImportError as error:
        raise MissingExtra("a schedule", "cronsim", "cron", error) from error
    try:
        zone = ZoneInfo(tz)
    except (KeyError, ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError; a folder is an OSError
        raise _bad(f"tz={tz!r} is no time zone", "a name like Europe/Berlin or UTC") from None
    try:
        # cronsim looks for times after the second it is given.
        simulated = CronSim(cron, datetime.fromtimestamp(after_ms // 1000, tz=UTC).astimezone(zone))
    except CronSimError as error:
        raise _bad(f"cron={cron!r}: {error}", "minute hour day-of-month month day-of-week") from None
    for moment in simulated:
        yield round(moment.timestamp() * 1000)


def _bad(happened: str, expected: str) -> BadOption:
    return BadOption(happened, expected=expected, advice="correct the schedule")
