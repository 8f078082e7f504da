"""What a run came to, on whatever driver, before anybody judges it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from faultloop.engine.paths import TaskNode
from faultloop.errors import Deadlock, Livelock, OverLimit
from faultloop.model.outcome import Waiting
from faultloop.model.trace import Choices

UNSEEN = "Task exception was never retrieved"
"""asyncio's words for a task whose error nobody has looked at."""


@dataclass(slots=True)
class Complaint:
    """An error that nobody caught. message: asyncio's own words."""

    message: str
    error: BaseException | None


@dataclass(slots=True)
class Facts:
    """What happened, before anybody judges it.

    halted: why the run was ended from outside, or None.   now: virtual nanoseconds.
    alive: the tasks left when the scenario ended.   swallowed: tasks that ended as if they had not been cancelled.
    heard_from: threads of the program's own that posted to the loop.
    """

    value: Any = None
    error: BaseException | None = None
    error_place: str = ""
    halted: Deadlock | Livelock | OverLimit | None = None
    steps: int = 0
    now: int = 0
    wall_ns: int = 0
    alive: tuple[str, ...] = ()
    complaints: tuple[Complaint, ...] = ()
    open_generators: tuple[str, ...] = ()
    swallowed: tuple[str, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    injected: tuple[BaseException, ...] = ()
    expires_by_cancel: bool = False
    """Whether a deadline that was made to expire is a plain `call_later(…, task.cancel)`."""
    obstacle: str = ""
    has_landed: bool = False
    untidy: str = ""
    heard_from: tuple[str, ...] = ()

    def let_frames_go(self) -> None:
        """Forget where errors came from, which nobody asks of a fast run.

        From CPython 3.12 on a frame that an error passed keeps those of all its callers, and so these facts: a circle
        that only the collector opens.
        """
        known: set[int] = set()
        left: list[BaseException | None] = [self.error, *self.injected, *(each.error for each in self.complaints)]
        while left:
            error = left.pop()
            if error is None or id(error) in known:
                continue
            known.add(id(error))
            error.__traceback__ = None
            left += (error.__cause__, error.__context__)
            if isinstance(error, BaseExceptionGroup):
                left += cast("BaseExceptionGroup[BaseException]", error).exceptions


@dataclass(frozen=True, slots=True)
class Guided:
    """What a guided run came to.

    choices: its answers, as the order of its level asks for them.   steps: the task's ordinal and the number of the
    site it went on from, step by step.
    """

    facts: Facts
    choices: Choices
    steps: tuple[tuple[int, int], ...]

    @property
    def schedule(self) -> tuple[int, ...]:
        """The task of each step."""
        return tuple(task for task, _ in self.steps)


@dataclass(slots=True)
class Wait:
    """One wait of one task as it happened: what a sweep enumerates.

    parked, woken: numbers of the steps that began and ended it; woken is 0 while it lasts.   ordinal: the task's.
    """

    node: TaskNode
    site: int
    nth: int
    parked: int
    woken: int = 0
    is_bare: bool = False
    has_deadline: bool = False
    ordinal: int = 0
    name: str = ""
    """What the task was called then; its path need not say it."""
    home: str = ""
    """The node that it ran on."""
    is_background: bool = False
    """Whether the task is none of the test's, but what a fixture of it started."""
