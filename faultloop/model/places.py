"""Planned faults written in Python.

at(task="worker-2", awaiting="Pool.acquire", nth=1, phase="woken").cancel()
at(task="sender", awaiting="Conn.send", phase="racing", before=step("closer", "start")).fail(OSError)
"""

from __future__ import annotations

import builtins
from dataclasses import dataclass
from typing import Literal

from faultloop.errors import AddressError
from faultloop.model.faults import (
    INJECTED,
    NANOSECONDS,
    Address,
    Cancel,
    Crash,
    Delay,
    Expire,
    Fail,
    Fault,
    Pause,
    PlannedFault,
    Step,
)
from faultloop.model.points import Phase


@dataclass(frozen=True, slots=True)
class Place:
    """An address waiting for its fault."""

    address: Address

    def cancel(self, *, via: Literal["auto", "task", "scope"] = "auto") -> PlannedFault:
        """Cancel the task there. via: see faultloop.model.faults.Cancel."""
        return PlannedFault(Cancel(via), self.address)

    def expire(self) -> PlannedFault:
        """Let the deadline that covers the task win there."""
        return self._of_wake_up(Expire())

    def fail(self, error: str | type[Exception] = "OSError", message: str = INJECTED) -> PlannedFault:
        """Let the await raise. error: the exception, or its name."""
        name = error if isinstance(error, str) else _name_of(error)
        return PlannedFault(Fail(name, message), self.address)

    def delay(self, seconds: float) -> PlannedFault:
        """Let the wake-up come late. seconds: virtual, > 0."""
        nanoseconds = round(seconds * NANOSECONDS)
        if nanoseconds <= 0:
            raise AddressError(f"delay needs more than 0 seconds, got {seconds}")
        return self._of_wake_up(Delay(nanoseconds))

    def crash(self, *, restart_after: float = 0) -> PlannedFault:
        """Let the task's node die there. restart_after: virtual seconds until it starts again; 0 is never."""
        return PlannedFault(Crash(round(restart_after * NANOSECONDS)), self.address)

    def pause(self, seconds: float) -> PlannedFault:
        """Let the task's node stand still. seconds: virtual, > 0."""
        nanoseconds = round(seconds * NANOSECONDS)
        if nanoseconds <= 0:
            raise AddressError(f"pause needs more than 0 seconds, got {seconds}")
        return PlannedFault(Pause(nanoseconds), self.address)

    def _of_wake_up(self, fault: Fault) -> PlannedFault:
        if self.address.phase is Phase.RACING:
            raise AddressError("expire and delay act on the wake-up itself, so they cannot be racing")
        return PlannedFault(fault, self.address)


def at(
    *,
    task: str,
    awaiting: str,
    nth: int = 1,
    phase: Literal["parked", "racing", "woken"] = "parked",
    before: Step | None = None,
) -> Place:
    """The await point where a fault is to land.

    task: path, last part of the path, or name, with `*` and `?`.   awaiting: the user's function that waits, what it
    awaits, or `function>awaited`.   nth: from 1.   before: for phase `racing`, the other task's step (see `step`).
    Raises AddressError when these do not make an address.
    """
    if nth < 1:
        raise AddressError(f"nth counts from 1, got {nth}")
    try:
        chosen = Phase(phase)
    except ValueError:
        raise AddressError(f'"{phase}" is not a phase; there are {", ".join(Phase)}') from None
    if (chosen is Phase.RACING) != (before is not None):
        raise AddressError("phase racing needs before=step(task, where), and no other phase has it")
    return Place(Address(task, awaiting, nth, chosen, before))


def step(task: str, where: str = "start", nth: int = 1) -> Step:
    """A step of a task: the one that goes on from its nth wait at `where`, or its first (`start`)."""
    return Step(task, where, nth)


def _name_of(error: type[Exception]) -> str:
    name: str = error.__name__
    if getattr(builtins, name, None) is error:
        return name
    return f"{error.__module__}.{error.__qualname__}"
