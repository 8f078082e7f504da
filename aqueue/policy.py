"""How often a job is tried, how long it waits in between, what a handler may raise, and how a worker goes about it.

It knows no store and no clock: numbers in, numbers out.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final, Literal, cast

from aqueue.errors import BadOption
from aqueue.lifecycle import State

__all__ = [
    "FOREVER_SECONDS",
    "Reject",
    "Retention",
    "Retry",
    "Snooze",
    "WorkerPolicy",
    "at_least",
    "backoff_seconds",
    "stored_seconds",
    "stored_text",
    "whole",
]

FOREVER_SECONDS: Final = 1e11
"""Three thousand years: the longest stretch that is stored. Its milliseconds, from today, are a number of 64 bits."""


def at_least(name: str, number: float, lowest: float, *, above: bool = False) -> None:
    """Raise BadOption unless number >= lowest (or > lowest, if `above`)."""
    try:
        is_fine = number > lowest if above else number >= lowest
    except TypeError:
        is_fine = False
    if not is_fine:
        is_number = isinstance(cast("object", number), int | float)
        raise BadOption(
            f"{name}={number!r} is {'out of range' if is_number else 'no number'}",
            expected=f"{name} {'>' if above else '>='} {lowest}",
            advice=f"give {name} a value in that range",
        )


def stored_seconds(name: str, seconds: float, lowest: float = 0, *, above: bool = False) -> None:
    """Raise BadOption unless it is a stretch of time that a store can keep: not below lowest, and not for ever."""
    at_least(name, seconds, lowest, above=above)
    if seconds > FOREVER_SECONDS:
        raise BadOption(
            f"{name}={seconds!r} is out of range",
            expected=f"at most {FOREVER_SECONDS:g} seconds, which are three thousand years",
            advice=f"give {name} a value in that range",
        )


def whole(name: str, number: int, lowest: int) -> None:
    """Raise BadOption unless it is a whole number >= lowest."""
    at_least(name, number, lowest)
    if not isinstance(cast("object", number), int):
        raise BadOption(f"{name}={number!r} is no whole number", expected=f"{name} >= {lowest}", advice="round it")


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
    bound = min(cap, base * 2.0 ** min(failures - 1, 62), FOREVER_SECONDS)
    return random.uniform(0.0, bound)


@dataclass(frozen=True, slots=True)
class Retry:
    """How failures of a task are answered.

    attempts: tries that may fail before the job is dead, at least 1.
    base, cap: seconds; see backoff_seconds.
    on, never: exception types that are tried again, and those that are not although `on` has them.
    redrives: how often a dead job may be sent round again.
    backoff: how the time in between grows. There is one way, and no other is to come (ADR 099).
    """

    attempts: int = 5
    base: float = 1.0
    cap: float = 300.0
    on: type[Exception] | tuple[type[Exception], ...] = (Exception,)
    never: type[Exception] | tuple[type[Exception], ...] = ()
    redrives: int = 3
    backoff: Literal["full-jitter"] = "full-jitter"

    def __post_init__(self) -> None:
        """Refuse what is out of range, and what is no type of exception: found when a job fails, it is found late."""
        whole("attempts", self.attempts, 1)
        at_least("base", self.base, 0)
        at_least("cap", self.cap, 0)
        whole("redrives", self.redrives, 0)
        _exception_types("on", self.on)
        _exception_types("never", self.never)
        if self.backoff != "full-jitter":
            raise BadOption(
                f"backoff={self.backoff!r}",
                expected="'full-jitter': exponential from base up to cap, each time anything between nothing and that",
                advice="leave it out; for a fixed longest time give base and cap the same value",
            )

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


def stored_text(name: str, text: str) -> None:
    """Raise BadOption unless it is a text that every store can keep: PostgreSQL has no NUL, and nobody half a pair."""
    is_fine = isinstance(cast("object", text), str) and "\0" not in text
    if is_fine:
        try:
            text.encode()
        except UnicodeEncodeError:
            is_fine = False
    if not is_fine:
        raise BadOption(
            f"{name}={text!r:.200} is no text that can be stored",
            expected="a str without NUL, and without half a pair of UTF-16",
            advice="make such a text of it",
        )


def _exception_types(name: str, given: object) -> None:
    for each in cast("tuple[object, ...]", given) if isinstance(given, tuple) else (given,):
        if not (isinstance(each, type) and issubclass(each, Exception)):
            raise BadOption(
                f"{name}={given!r}",
                expected="a type of Exception, or a tuple of them",
                advice=f"write {name}=(OSError, TimeoutError)",
            )


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
                stored_seconds(name, seconds, above=True)

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
        stored_seconds("seconds", seconds)
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
        whole("concurrency", self.concurrency, 1)
        stored_seconds("lease", self.lease, 0.01)
        at_least("drain", self.drain, 0)
        for name, number in (("poll", self.poll), ("sweep", self.sweep), ("settle", self.settle)):
            at_least(name, number, 0, above=True)
        at_least("grace", self.grace, 0)
        if self.isolate_after is not None:
            whole("isolate_after", self.isolate_after, 1)
