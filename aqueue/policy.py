"""How often a job is tried, how long it waits in between, what a handler may raise, and how a worker goes about it.

It knows no store and no clock: numbers in, numbers out.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from aqueue.errors import BadOption
from aqueue.lifecycle import State

__all__ = ["Reject", "Retention", "Retry", "Snooze", "WorkerPolicy", "at_least", "backoff_seconds"]


def at_least(name: str, number: float, lowest: float, *, above: bool = False) -> None:
    """Raise BadOption unless number >= lowest (or > lowest, if `above`)."""
    if number < lowest or (above and number == lowest) or number != number:
        raise BadOption(
            f"{name}={number!r} is out of range",
            expected=f"{name} {'>' if above else '>='} {lowest}",
            advice=f"give {name} a value in that range",
        )


def backoff_seconds(failures: int, *, base: float, cap: float, random: Random) -> float:
    """How long to wait before trying a job again.

    failures: failed tries so far, from 1.   base, cap: seconds.
    Returns seconds in [0, cap]; the bound doubles per failure, then full jitter.
    Source: M. Brooker, «Exponential Backoff And Jitter», AWS Architecture Blog, 2015.

    >>> 0 <= backoff_seconds(3, base=1, cap=60, random=Random(0)) <= 4
    True
    """
    assert failures >= 1, failures
    # 2**62 bounds the exponent: a float overflows at 2**1024, and no cap is longer than that many seconds.
    bound = min(cap, base * 2.0 ** min(failures - 1, 62))
    return random.uniform(0.0, bound)


@dataclass(frozen=True, slots=True)
class Retry:
    """How failures of a task are answered.

    attempts: tries that may fail before the job is dead, at least 1.
    base, cap: seconds; see backoff_seconds.
    on, never: exception types that are tried again, and those that are not although `on` has them.
    redrives: how often a dead job may be sent round again.
    """

    attempts: int = 5
    base: float = 1.0
    cap: float = 300.0
    on: tuple[type[Exception], ...] = (Exception,)
    never: tuple[type[Exception], ...] = ()
    redrives: int = 3

    def __post_init__(self) -> None:
        """Refuse numbers out of range."""
        at_least("attempts", self.attempts, 1)
        at_least("base", self.base, 0)
        at_least("cap", self.cap, 0)
        at_least("redrives", self.redrives, 0)

    @property
    def claims_max(self) -> int:
        """The hard bound on claims, over failures, redrives and releases together: no job is claimed for ever."""
        return self.attempts * (self.redrives + 1) + 5

    def is_retryable(self, error: Exception) -> bool:
        """Whether this error is worth another try."""
        return isinstance(error, self.on) and not isinstance(error, self.never)

    def delay_ms(self, failures: int, random: Random) -> int:
        """Milliseconds to wait after the given number of failures."""
        return round(backoff_seconds(failures, base=self.base, cap=self.cap, random=random) * 1000)


@dataclass(frozen=True, slots=True)
class Retention:
    """How long a job is kept after its end, in seconds, by how it ended. None: for ever.

    What goes with it: its log, and what the ledger knows of its effects; so a key of ctx.once() is remembered for that
    long and no longer. Jobs that were parked are kept.
    """

    succeeded: float | None = 86_400.0
    cancelled: float | None = 86_400.0
    dead: float | None = None

    def __post_init__(self) -> None:
        """Refuse numbers out of range."""
        for name, seconds in (("succeeded", self.succeeded), ("cancelled", self.cancelled), ("dead", self.dead)):
            if seconds is not None:
                at_least(name, seconds, 0, above=True)

    @property
    def keep_ms(self) -> dict[State, int]:
        """Milliseconds by state; states that are kept for ever are not named."""
        kept: dict[State, float | None] = {
            "succeeded": self.succeeded, "cancelled": self.cancelled, "dead": self.dead
        }  # fmt: skip
        return {state: round(seconds * 1000) for state, seconds in kept.items() if seconds is not None}


class Reject(Exception):
    """Raised by a handler: this job can never succeed. It goes to the dead letter at once."""


class Snooze(Exception):
    """Raised by a handler: not now. The job runs again after `seconds`, and no failure is counted."""

    def __init__(self, seconds: float) -> None:
        """Set the time to wait, in seconds, at least 0."""
        at_least("seconds", seconds, 0)
        super().__init__(f"snoozed for {seconds} s")
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class WorkerPolicy:
    """How a worker goes about it. All that is a time is in seconds.

    lease: silence after which a job is taken away.   poll: longest time between two looks at the store.
    sweep: period of rescuing jobs of dead workers.   drain: time running jobs get on a clean exit, all together.
    settle: time a settlement may take.   grace: time a handler that was told to stop keeps its lease.
    isolate_after: leases that a job must have lost in a row to be run alone, so that a job that kills its process
    takes no other down with it. None: never.
    bury_unknown: jobs of tasks that the worker does not know go to the dead letter. False: they stay pending, for a
    worker with other code.
    """

    concurrency: int = 10
    lease: float = 30.0
    poll: float = 1.0
    sweep: float = 10.0
    drain: float = 30.0
    settle: float = 10.0
    grace: float = 10.0
    isolate_after: int | None = 1
    bury_unknown: bool = False

    def __post_init__(self) -> None:
        """Refuse numbers out of range."""
        at_least("concurrency", self.concurrency, 1)
        at_least("lease", self.lease, 0.01)
        at_least("drain", self.drain, 0)
        for name, number in (("poll", self.poll), ("sweep", self.sweep), ("settle", self.settle)):
            at_least(name, number, 0, above=True)
        at_least("grace", self.grace, 0)
        if self.isolate_after is not None:
            at_least("isolate_after", self.isolate_after, 1)
