"""How a user says how much may run, how fast, and when to stop trying: rates, retry budgets, circuit breakers.

It turns seconds and percentages into the integers that store/limits.py and store/breakers.py count in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from aqueue.errors import BadOption
from aqueue.policy import stored_seconds, whole
from aqueue.store.breakers import BreakerRule
from aqueue.store.limits import Bucket

__all__ = ["Breaker", "Rate", "RetryBudget", "rate_of"]

_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` jobs per `per` seconds in the long run, and in any t seconds at most burst + t * count / per.

    burst: how many may start at once after a rest; None is `count`.
    """

    count: int
    per: float = 1.0
    burst: int | None = None

    def __post_init__(self) -> None:
        """Refuse numbers out of range."""
        whole("count", self.count, 1)
        stored_seconds("per", self.per, 0.001)
        if self.burst is not None:
            whole("burst", self.burst, 1)

    @property
    def bucket(self) -> Bucket:
        """The same in integers."""
        return Bucket(gain=self.count, cost=round(self.per * 1000), burst=self.burst or self.count)


def rate_of(text: str | Rate) -> Rate:
    """Read "50/s", "600/m", "1000/h" or "5/d". Raises BadOption."""
    if isinstance(text, Rate):
        return text
    found = re.fullmatch(r"\s*([1-9]\d*)\s*/\s*([smhd])\s*", text)
    if found is None:
        raise BadOption(f"rate={text!r}", expected='"50/s", or /m, /h, /d', advice="or give a Rate(count, per, burst)")
    return Rate(int(found[1]), _UNITS[found[2]])


@dataclass(frozen=True, slots=True)
class RetryBudget:
    """How many retries a queue may make: a share of its first tries, and a trickle for when there are none.

    percent: retries per hundred first tries.   per_second: retries that are allowed whatever happens, so that what
    failed is tried again even if nothing new comes.   reserve: retries saved up at most, for failures out of the blue.
    A retry the budget has no room for waits; it is not lost, and fails no further meanwhile.
    """

    percent: int = 20
    per_second: int = 10
    reserve: int = 50

    def __post_init__(self) -> None:
        """Refuse numbers out of range."""
        whole("percent", self.percent, 0)
        whole("per_second", self.per_second, 1)
        whole("reserve", self.reserve, 1)

    @property
    def bucket(self) -> Bucket:
        """The same in integers."""
        return Bucket(gain=self.per_second, cost=1000, burst=self.reserve, fresh_gain=10 * self.percent)


@dataclass(frozen=True, slots=True)
class Breaker:
    """Stop calling what is down: after so many failures in a row, jobs of its tasks wait instead of failing.

    name: of what is depended on; tasks with breakers of one name share it. None: the task itself.
    failures: in a row, over all workers, that open it.   open_for: seconds until it is tried again.
    probes: jobs that may run while it is being tried; the first that ends decides.
    """

    name: str | None = None
    failures: int = 5
    open_for: float = 30.0
    probes: int = 1

    def __post_init__(self) -> None:
        """Refuse numbers out of range."""
        whole("failures", self.failures, 1)
        stored_seconds("open_for", self.open_for, 0.001)
        whole("probes", self.probes, 1)

    def rule(self, task: str) -> BreakerRule:
        """The same in integers."""
        return BreakerRule(self.name or f"task:{task}", self.failures, round(self.open_for * 1000), self.probes)
