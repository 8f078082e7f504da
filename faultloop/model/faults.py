"""The fault kinds, and a fault at an address.

Each kind says what the program sees; how it is delivered is the drivers' business.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from faultloop.model.points import Phase

NANOSECONDS = 1_000_000_000
"""Virtual time is counted in integer nanoseconds; seconds exist only at the surface."""

INJECTED = "injected by faultloop"
"""What an error says that was raised by a fault and given no words of its own."""


class Cancel(msgspec.Struct, frozen=True, tag_field="kind", tag="cancel", omit_defaults=True):
    """The task is cancelled, the way real cancellations come.

    via: `task` calls `Task.cancel()`; `scope` cancels the scope of the group that spawned the task; `auto` is
    `Task.cancel()` but for a task that anyio runs: there the task's own scope, or its group's where it has none.
    """

    via: Literal["auto", "task", "scope"] = "auto"

    def __post_init__(self) -> None:
        # msgspec leaves out a default by identity: else a fault from another process would be digested differently.
        if self.via == "auto":
            msgspec.structs.force_setattr(self, "via", "auto")


class Expire(msgspec.Struct, frozen=True, tag_field="kind", tag="expire", omit_defaults=True):
    """Its deadline wins: the wake-up is held back until the innermost deadline that covers the task has fired."""


class Fail(msgspec.Struct, frozen=True, tag_field="kind", tag="fail", omit_defaults=True):
    """The await raises. error: a builtin exception's name, or `module.Name` of one the program has imported.

    At `parked` and `racing` the effect does not happen; at `woken` it is the lost reply: the effect happened, and the
    caller hears an error.
    """

    error: str
    message: str = INJECTED

    def __post_init__(self) -> None:
        # msgspec leaves out a default by identity: else equal faults could be encoded and digested differently.
        if self.message == INJECTED:
            msgspec.structs.force_setattr(self, "message", INJECTED)


class Delay(msgspec.Struct, frozen=True, tag_field="kind", tag="delay", omit_defaults=True):
    """The wake-up comes late. nanoseconds: virtual, > 0."""

    nanoseconds: int


class Crash(msgspec.Struct, frozen=True, tag_field="kind", tag="crash", omit_defaults=True):
    """The node of the task dies: all its tasks are gone, with no code of theirs run, and so are its connections.

    restart: after how many virtual nanoseconds it starts again; 0 is never, unless the program sees to it.
    """

    restart: int = 0


class Pause(msgspec.Struct, frozen=True, tag_field="kind", tag="pause", omit_defaults=True):
    """The node of the task stands still, and then goes on as if nothing had been. nanoseconds: virtual, > 0."""

    nanoseconds: int


Fault = Cancel | Expire | Fail | Delay | Crash | Pause


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """A step of a task, named by the wait it goes on from; `where == "start"` is its first step.

    where: `function`, `awaited` or `function>awaited`.   nth: from 1.
    """

    task: str
    where: str
    nth: int = 1

    def __str__(self) -> str:
        from faultloop.model.address import quote

        return f"{quote(self.task)} @ {quote(self.where)} #{self.nth}"


class Address(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which await point, and when there.

    task: path, last part of the path, or name; `*` and `?` match as in file names.
    where: `function`, `awaited` or `function>awaited`; `*` and `?` match.
    nth: from 1; counted per task among its waits that match `where`.
    racing: the step of another task right before which the fault lands; set if and only if phase is `racing`.
    """

    task: str
    where: str
    nth: int = 1
    phase: Phase = Phase.PARKED
    racing: Step | None = None

    def __str__(self) -> str:
        from faultloop.model.address import format_address

        return format_address(self)


class PlannedFault(msgspec.Struct, frozen=True, omit_defaults=True):
    """A fault at an address: one line of a plan, one deviation of a trace."""

    fault: Fault
    at: Address

    def __str__(self) -> str:
        from faultloop.model.address import format_fault

        return format_fault(self)
