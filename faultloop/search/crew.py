"""Who does a search's work: what a crew promises, and the one of this process alone. Others: `processes`, `elsewhere`.

A crew knows nothing of runs and failures. It takes units, does with each what its duty says, and returns the results.

Rule 1: results come in the order of the units, and unit n is asked for when exactly the results before n - ahead + 1
have been taken. Both hold for every crew, so what a search comes to does not depend on who did the work.
Rule 2: what came back is never lost: results that nobody took are in `left_over` when a round ends early.
Rule 3: a unit whose worker comes to an end is tried again, by us or by the executor; one that ends them all comes back
as `Lost`.
"""

from __future__ import annotations

import functools
import pickle
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, Protocol, Self, TypeVar

from faultloop.errors import CrewError, FaultloopError

A = TypeVar("A")
U = TypeVar("U")
R = TypeVar("R")

AHEAD = 64
"""How many units are asked for before the first result is taken: a constant, for it must not depend on the machine."""

NOT_PORTABLE = "FL401"
NO_WORKER = "FL402"


@dataclass(frozen=True)
class Duty(Generic[A, U, R]):
    """What a crew does: `prepare(argument)` is called once in each process, and returns what does a unit there.

    prepare: a function at the top of a module, wherever the crew is not alone.   argument: whatever it needs.
    """

    prepare: Callable[[A], Callable[[U], R]]
    argument: A


@dataclass(frozen=True, slots=True)
class Lost:
    """In the place of a result: whoever did the unit came to an end, each time. reason: a sentence without a stop."""

    reason: str


@dataclass(frozen=True, slots=True)
class Done(Generic[U, R]):
    """A unit and what came of it. number: its place among the units of the round, from 0."""

    number: int
    unit: U
    result: R | Lost


class UnitFailed(Exception):
    """What does the units raised: an error of the programmer. The message is its traceback."""


class Crew(Protocol[U, R]):
    """Does units, one round at a time. Closed by `close`, or as a context manager."""

    @property
    def left_over(self) -> tuple[Done[U, R], ...]:
        """What came back in the last round and nobody took, in the order of the units."""
        ...

    def carry_out(self, units: Iterable[U], *, ahead: int = AHEAD) -> Generator[Done[U, R]]:
        """One round: the results of the units, in their order. Closing it drops what nobody has begun or finished.

        ahead: how many units are asked for before the first result is taken, from 1.
        Raises UnitFailed in the place of the result, CrewError when there is nobody to do the work.
        """
        ...

    def close(self) -> None:
        """Let go of everybody. Does not wait for what is at work."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class Alone(Generic[U, R]):
    """In this process: each unit when its result is asked for."""

    left_over: tuple[Done[U, R], ...] = ()

    def __init__(self, duty: Duty[Any, U, R]) -> None:
        self._duty = duty

    @functools.cached_property
    def _do(self) -> Callable[[U], R]:
        return self._duty.prepare(self._duty.argument)

    def carry_out(self, units: Iterable[U], *, ahead: int = AHEAD) -> Generator[Done[U, R]]:
        """As for Crew."""
        assert ahead >= 1, ahead
        source, asked = enumerate(units), deque[tuple[int, U]]()
        while True:
            while len(asked) < ahead and (item := next(source, None)) is not None:
                asked.append(item)
            if not asked:
                return
            number, unit = asked.popleft()
            do = self._do
            try:
                result = do(unit)
            except Exception as error:
                raise UnitFailed(traceback.format_exc()) from error
            yield Done(number, unit, result)

    def close(self) -> None:
        """As for Crew."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


# What processes say to each other


class Said(Enum):
    """What an answer is about."""

    READY = "ready"
    """The duty is prepared. Nothing else is said."""
    CANNOT = "cannot"
    """The duty cannot be prepared: the error, or its text."""
    BEGUN = "begun"
    """A unit is begun: what ends the process from here on may be the unit itself."""
    RESULT = "result"
    FAILED = "failed"
    """Doing the unit raised: the traceback."""


Answer = tuple[Said, object]


def attempt(do: Callable[[U], R], unit: U) -> Answer:
    """Do a unit, whatever it raises. For the process that does the work."""
    try:
        return Said.RESULT, do(unit)
    except BaseException:
        # SystemExit too: a worker that left because a unit asked for it would be taken for one that was killed.
        return Said.FAILED, traceback.format_exc()


def refusal(error: BaseException) -> Answer:
    """Why a duty cannot be prepared: an error of ours as it is, any other as text, for it may not be picklable."""
    if isinstance(error, FaultloopError):
        return Said.CANNOT, error
    return Said.CANNOT, "".join(traceback.format_exception_only(error)).strip()


def result_of(answer: Answer) -> Any:
    """The result in an answer. Raises UnitFailed, CrewError, or the FaultloopError that preparing raised."""
    said, what = answer
    if said is Said.FAILED:
        raise UnitFailed(what)
    if said is Said.CANNOT:
        if isinstance(what, FaultloopError):
            raise what
        raise CrewError(f"a worker cannot load the program: {what}", code=NO_WORKER)
    return what


def portable(duty: Duty[Any, Any, Any]) -> bytes:
    """A duty, pickled. Raises CrewError (FL401)."""
    try:
        return pickle.dumps(duty)
    except Exception as error:
        raise CrewError(
            f"the program cannot be taken to another process: {error}. "
            "Name it as path/to/file.py:function, or do without jobs and executors.",
            code=NOT_PORTABLE,
        ) from error
