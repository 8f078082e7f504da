"""Where a task can be hit: sites, await points and phases.

Names, not numbers: an await point is told by the task's path, the user's function that waits, what it waits in, and
how many times that task has waited there. Lines are for people; they may move without breaking an address.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Phase(StrEnum):
    """When, at an await point, a fault lands."""

    PARKED = "parked"
    """Just suspended: right after the step that suspended it."""
    RACING = "racing"
    """Still suspended, right before one named step of another task."""
    WOKEN = "woken"
    """Its result is set, it has not run again yet (asyncio only)."""


class Site(msgspec.Struct, frozen=True, omit_defaults=True):
    """One place in the program where tasks wait.

    function: qualified name of the innermost user frame, without `<locals>`.
    awaited: what that frame awaits: the callable below it, or the awaited object's type.
    file, line: for people; `file` is relative to the project or starts with `<stdlib>/` or `<site>/`.
    chain: `function file:line` from the task's outermost frame to its innermost, for people.
    """

    function: str
    awaited: str
    file: str = ""
    line: int = 0
    chain: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """`file:line` as a person would look it up."""
        return f"{self.file}:{self.line}" if self.file else "?"


class AwaitPoint(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a task is suspended. nth: from 1, among this task's waits with the same function and awaited."""

    task: str
    function: str
    awaited: str
    nth: int

    @property
    def where(self) -> str:
        """The point without its task: `Pool.acquire>Future #1`."""
        return f"{self.function}>{self.awaited} #{self.nth}"

    def __str__(self) -> str:
        return f"{self.task} @ {self.where}"
