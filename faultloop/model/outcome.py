"""How a run ends."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Status(StrEnum):
    """The outcome of a run in a word."""

    PASSED = "passed"
    PROPAGATED = "propagated"
    """An injected fault came out at the top as itself: the program let it through, which is no failure."""
    VIOLATED = "violated"
    """A claim did not hold: an assertion, or a check that was set to count as a violation."""
    CRASHED = "crashed"
    """The scenario raised an error of its own."""
    DEADLOCKED = "deadlocked"
    LIVELOCKED = "livelocked"
    OVER_LIMIT = "over limit"
    DIVERGED = "diverged"

    @property
    def is_failure(self) -> bool:
        """Whether the program under test did something wrong, as far as this run can tell."""
        return self in (Status.VIOLATED, Status.CRASHED, Status.DEADLOCKED, Status.LIVELOCKED)


class Raised(msgspec.Struct, frozen=True, omit_defaults=True):
    """An exception as a trace keeps it. message: memory addresses stripped, at most 500 characters."""

    type: str
    message: str
    place: str = ""


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a check saw. counts: whether it makes the run a violation, or is only noted."""

    check: str
    message: str
    counts: bool = False
    task: str = ""
    place: str = ""


class Waiting(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of the wait-for graph: who waits where, for what, and who could end it.

    needs: what would let it go on (`put()`, `release()`…), empty when unknown.
    owner: path of the task that holds or is what it waits for, empty when unknown.
    """

    task: str
    where: str
    place: str = ""
    needs: str = ""
    owner: str = ""


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a run came to."""

    status: Status
    message: str = ""
    raised: Raised | None = None
    findings: tuple[Finding, ...] = ()
    waiting: tuple[Waiting, ...] = ()
