"""A scenario that is more than one coroutine: a test between its fixtures.

A test runner sets fixtures up, runs the test and takes the fixtures down, and between these it runs code of its own. So
it cannot be awaited: it is given a *stage*, which runs one async call after another on the run's loop. What is between
the calls is plain code, and no step.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NoReturn, Protocol

from faultloop.errors import Deadlock, Livelock, OverLimit, TargetError

Halted = Deadlock | Livelock | OverLimit


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
        """Within, faults may strike; before and after, fixtures are set up and taken down undisturbed."""
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
    was halted need not be returned: the stage knows.
    """

    def __init__(self, perform: Callable[[Stage], BaseException | None]) -> None:
        self.perform = perform

    def __call__(self) -> NoReturn:
        raise TargetError("this scenario is a whole test with its fixtures: it is performed, not awaited")


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
