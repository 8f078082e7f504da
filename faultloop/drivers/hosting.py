"""A scenario that is more than one coroutine: a test between its fixtures.

A test runner sets fixtures up, runs the test and takes the fixtures down, and between these it runs code of its own. So
it cannot be awaited: it is given a *stage*, which runs one async call after another on the run's loop. What is between
the calls is plain code, and no step.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn, Protocol

from faultloop.drivers.facts import Wait
from faultloop.drivers.own import TEST
from faultloop.engine.paths import TaskNode
from faultloop.errors import Deadlock, Livelock, OverLimit, TargetError

Halted = Deadlock | Livelock | OverLimit
NEVER = 1 << 62
FOR_EVER = 1e9
SERVER = "test"
"""What the task is called that makes the calls, where nobody gives it a name."""


class Stage(Protocol):
    """A run's loop, for whoever performs on it. driver: its name.   is_running: whether a call is under way."""

    @property
    def driver(self) -> str: ...

    @property
    def is_running(self) -> bool: ...

    def call(self, function: Callable[..., Any], arguments: Mapping[str, Any], *, name: str = "") -> Any:
        """Run an async function to its end, all of them in one task. name: what that task is called.

        Raises what the function raises, and Deadlock, Livelock or OverLimit where it would not end.
        """
        ...

    def testing(self) -> AbstractContextManager[None]:
        """Within, faults may strike; before and after, fixtures are set up and taken down undisturbed.

        They strike the test's own task and those that come of it. Tasks that a fixture started are its background, and
        are struck only if somebody asks for them by name.
        """
        ...

    def new_runner(self, *, debug: bool | None = None, loop_factory: object = None) -> Any:
        """Something like `asyncio.Runner` that runs on the run's loop, where there is such a thing.

        debug, loop_factory: taken for the sake of who calls; the loop is the run's own.
        """
        ...

    def no_hurry(self) -> None:
        """Lift the run's limit on real time: a person looks at it, or it is over and cleans up."""
        ...

    def note(self, text: str) -> None:
        """Keep a note in the trace, if the run is recorded."""
        ...

    def now(self) -> float:
        """Virtual seconds since the run began."""
        ...


class Hosted:
    """A scenario that performs on a stage.

    perform: does all of one run, and returns the error that it came to, or None. What the stage raised for a run that
    was halted need not be returned: the stage knows.   test: its function, if it has one.
    """

    def __init__(self, perform: Callable[[Stage], BaseException | None], *, test: object = None) -> None:
        self.perform = perform
        setattr(self, TEST, test)

    def __call__(self) -> NoReturn:
        raise TargetError("this scenario is a whole test with its fixtures: it is performed, not awaited")


@dataclass(slots=True)
class Window:
    """The part of a run in which its test runs. nodes: the run's tasks as they are made, if it is recorded.

    began, ended: the first and the last step.   made_before: how many tasks there were.   host: the index of the task
    that runs the test, if it was there before; -1 if it was not.   idle: steps after which a task waited for us.
    """

    nodes: Sequence[TaskNode] = ()
    began: int = 1
    ended: int = 0
    made_before: int = 0
    host: int = -1
    idle: set[int] = field(default_factory=set[int])

    def open(self, step: int, *, is_within_step: bool, host: int) -> None:
        """The test begins. step: the one that is running, or the last that was."""
        self.began, self.ended = step if is_within_step else step + 1, NEVER
        self.made_before, self.host = len(self.nodes), host

    def keep(self, waits: list[Wait]) -> list[Wait]:
        """Of all waits of a run those that are the test's, and those of its background, marked as such."""
        kept = [wait for wait in waits if self.began <= wait.parked <= self.ended and wait.parked not in self.idle]
        for wait in kept:
            wait.is_background = not self._is_of_test(wait.node)
        return kept

    def _is_of_test(self, node: TaskNode | None) -> bool:
        while node is not None and node.index != self.host:
            if node.index < self.made_before:
                return False
            node = node.parent
        return True


_stages: list[Stage] = []
"""The stages being performed on, the innermost last."""


def current_stage() -> Stage | None:
    """The stage of the performance that is under way, if there is one."""
    return _stages[-1] if _stages else None


@contextmanager
def performing_on(stage: Stage) -> Generator[None]:
    """Within, this is the current stage."""
    _stages.append(stage)
    try:
        yield
    finally:
        _stages.pop()
