"""Circuit breakers: when something that tasks depend on is down, their jobs wait instead of failing one by one.

closed: everything passes; failures in a row are counted, a success starts the count again.
open: nothing passes for a while.
half-open: a few probes pass; the first that succeeds closes the breaker, the first that fails opens it again.

Rule 1: pure but for Judge, which runs inside a settlement. Time is the store's, in milliseconds.
Rule 2: probes in flight are counted as running jobs, not kept in a counter, so a probe that dies blocks nothing for
        longer than its lease.
Source: M. Nygard, «Release It!», 2007, Circuit Breaker.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from aqueue.store.rows import BreakerRow
from aqueue.store.tables import Tables

__all__ = ["BreakerRule", "awaited_ms", "judge", "probes_allowed"]

UNBOUNDED: Final = 2**62


@dataclass(frozen=True, slots=True)
class BreakerRule:
    """name: of what is depended on.   failures: in a row, that open it.   open_ms: how long it stays so."""

    name: str
    failures: int
    open_ms: int
    probes: int

    def aged(self, breaker: BreakerRow, now: int) -> BreakerRow:
        """The breaker as time alone has changed it."""
        if breaker.state != "open":
            return breaker
        if now < breaker.changed_at:  # the clock went back: wait from now on, not until it is where it was
            return replace(breaker, changed_at=now)
        if now - breaker.changed_at >= self.open_ms:
            return BreakerRow(self.name, "half-open", 0, now)
        return breaker


def probes_allowed(breaker: BreakerRow, rule: BreakerRule) -> int:
    """How many jobs of all tasks behind it may be running."""
    return {"closed": UNBOUNDED, "half-open": rule.probes, "open": 0}[breaker.state]


def awaited_ms(breaker: BreakerRow, rule: BreakerRule, now: int) -> int | None:
    """Time until it lets probes pass; None if that does not depend on time."""
    return max(1, breaker.changed_at + rule.open_ms - now) if breaker.state == "open" else None


def judge(tables: Tables, rule: BreakerRule, now: int, *, succeeded: bool) -> None:
    """Tell the breaker how an attempt of one of its tasks ended."""
    known = tables.breakers().get(rule.name) or BreakerRow(rule.name)
    breaker = rule.aged(known, now)
    if breaker.state == "open":
        after = breaker  # an attempt from before it opened: no news
    elif succeeded:
        after = BreakerRow(rule.name, "closed", 0, now if breaker.state == "half-open" else breaker.changed_at)
    elif breaker.state == "half-open" or breaker.failures + 1 >= rule.failures:
        after = BreakerRow(rule.name, "open", 0, now)
    else:
        after = replace(breaker, failures=breaker.failures + 1)
    if after != known:
        tables.put_breaker(after)
