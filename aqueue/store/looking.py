"""Which ready jobs a query is to find, in the words of either database, and how far it looks for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from aqueue.store.rows import Narrowing

__all__ = ["KEYS_MAX", "NEAR", "Words", "crashes_below"]

NEAR: Final = 100
"""How many jobs a claim looks through in the order of urgency, before it asks each heap of like jobs for its first."""
KEYS_MAX: Final = 1000
"""With more order keys than that, jobs with a key are looked through in the order of urgency, heap by heap."""
_NO_BOUND: Final = 2**31 - 1


def crashes_below(narrowing: Narrowing) -> int:
    """Of jobs that a claim can use that does not look for isolated ones: fewer leases lost in a row than that."""
    if narrowing.isolated is None or narrowing.isolate_after is None:
        return _NO_BOUND
    return max(1, narrowing.isolate_after)


class Words:
    """Constant texts, so that each of the few combinations is one prepared statement."""

    def __init__(self, place: str, *, only: str, without: str, listed: Callable[[frozenset[str]], object]) -> None:
        """Say how a value's place is written, how a task is compared with a list, and what a list is as a value."""
        self._isolated = {
            None: "", True: f" AND j.crashes>={place} AND j.crashes>0", False: f" AND j.crashes<{place}",
        }  # fmt: skip
        self._overdue = f" AND j.deadline<={place}"
        self._only = f" AND {only}"
        self._without = f" AND {without}"
        self._listed = listed

    def narrowed(self, narrowing: Narrowing, now: int) -> tuple[str, list[object]]:
        """What a narrowing adds to a condition on the job j, and its values."""
        sql, values = self._isolated[narrowing.isolated], list[object]()
        if narrowing.isolated is not None:
            values.append(narrowing.isolate_after)
        if narrowing.fresh_only:
            sql += " AND j.failures=0"
        if narrowing.overdue:
            sql += self._overdue
            values.append(now)
        if narrowing.without:
            sql += self._without
            values.append(self._listed(narrowing.without))
        if narrowing.only is not None:
            sql += self._only
            values.append(self._listed(narrowing.only))
        return sql, values
