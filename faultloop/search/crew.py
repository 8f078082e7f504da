"""Who does a search's work: this process alone, or an executor of somebody else's. Processes of our own: `processes`.

A crew knows nothing of runs and failures. It takes units, does with each what its duty says, and returns the results.

Rule 1: results come in the order of the units, and unit n is asked for when exactly the results before n - ahead + 1
have been taken. Both hold for every crew, so what a search comes to does not depend on who did the work.
Rule 2: what came back is never lost: results that nobody took are in `left_over` when a round ends early.
Rule 3: a unit that cannot be done for reasons outside of it is tried once more, and then given back as `Lost`.
"""

from __future__ import annotations

import functools
import pickle
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, Protocol, Self, TypeVar, cast

from faultloop.errors import CrewError, FaultloopError

A = TypeVar("A")
U = TypeVar("U")
R = TypeVar("R")

AHEAD = 64
"""How many units are asked for before the first result is taken: a constant, for it must not depend on the machine."""
TRIES = 2
"""How often a unit is begun that ends its process, or whose executor fails."""

NOT_PORTABLE = "FL401"
NO_WORKER = "FL402"
EXECUTOR_GONE = "FL405"
NO_JOBS = "FL406"


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

    def carry_out(self, units: Iterable[U], *, ahead: int = AHEAD) -> Iterator[Done[U, R]]:
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

    def carry_out(self, units: Iterable[U], *, ahead: int = AHEAD) -> Iterator[Done[U, R]]:
        """As for Crew."""
        assert ahead >= 1, ahead
        source, asked = enumerate(units), deque[tuple[int, U]]()
        while True:
            while len(asked) < ahead and (item := next(source, None)) is not None:
                asked.append(item)
            if not asked:
                return
            number, unit = asked.popleft()
            try:
                result = self._do(unit)
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


# An executor


class Elsewhere(Generic[U, R]):
    """On any executor of concurrent.futures, which stays open and whose workers must be able to import the program.

    A process does one unit at a time, however many threads its executor gives it: a run needs the process to itself.
    """

    def __init__(self, duty: Duty[Any, U, R], executor: Executor) -> None:
        self._duty = portable(duty)
        self._executor = executor
        self.left_over: tuple[Done[U, R], ...] = ()

    def carry_out(self, units: Iterable[U], *, ahead: int = AHEAD) -> Iterator[Done[U, R]]:
        """As for Crew."""
        assert ahead >= 1, ahead
        source, sent = enumerate(units), deque[_Sent[U]]()
        self.left_over = ()
        try:
            while True:
                while len(sent) < ahead and (item := next(source, None)) is not None:
                    sent.append(_Sent(*item))
                    self._submit(sent[-1])
                if not sent:
                    return
                answer = self._answer(sent[0])
                done = sent.popleft()
                yield Done(done.number, done.unit, answer if isinstance(answer, Lost) else cast("R", result_of(answer)))
        finally:
            for each in sent:
                each.future.cancel()
            self.left_over = tuple(Done(each.number, each.unit, each.came_back()) for each in sent if each.is_back)

    def _submit(self, sent: _Sent[U]) -> None:
        sent.tries += 1
        try:
            sent.future = self._executor.submit(_do_elsewhere, self._duty, sent.unit)
        except Exception as error:
            # Told when its turn comes: the results before it are good.
            sent.future = Future()
            sent.future.set_exception(
                CrewError(f"the executor takes no more work: {_shown(error)}", code=EXECUTOR_GONE)
            )

    def _answer(self, sent: _Sent[U]) -> Answer | Lost:
        while True:
            try:
                return sent.future.result()
            except (KeyboardInterrupt, SystemExit, GeneratorExit, CrewError):
                raise
            except BaseException as error:
                # Not the unit's own error, which comes as an answer: its worker died, or its answer cannot be sent.
                # BaseException: executors that wrap asyncio may hand on its CancelledError.
                if sent.tries >= TRIES:
                    return Lost(f"its executor gave it up {TRIES} times: {_shown(error)}")
                self._submit(sent)

    def close(self) -> None:
        """As for Crew. The executor stays open: it belongs to whoever made it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Sent(Generic[U]):
    """A unit that an executor has."""

    future: Future[Answer]

    def __init__(self, number: int, unit: U) -> None:
        self.number = number
        self.unit = unit
        self.tries = 0

    @property
    def is_back(self) -> bool:
        future = self.future
        return (
            future.done()
            and not future.cancelled()
            and future.exception() is None
            and future.result()[0] is Said.RESULT
        )

    def came_back(self) -> Any:
        assert self.is_back
        return self.future.result()[1]


_one_at_a_time = threading.Lock()


def _do_elsewhere(duty: bytes, unit: object) -> Answer:
    with _one_at_a_time:
        try:
            do = _prepared(duty)
        except BaseException as error:
            return refusal(error)
        return attempt(do, unit)


@functools.lru_cache(maxsize=4)
def _prepared(duty: bytes) -> Callable[[Any], Any]:
    known: Duty[Any, Any, Any] = pickle.loads(duty)
    return known.prepare(known.argument)


def _shown(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".removesuffix(".")[:300]
