"""A crew on an executor of somebody else's: any of concurrent.futures, on this machine or on others.

The executor keeps its own rules: how many workers it has, how it starts them, whether it tries again when one dies.
"""

from __future__ import annotations

import functools
import pickle
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import BrokenExecutor, Executor, Future
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar

from faultloop.errors import CrewError
from faultloop.search.crew import AHEAD, Answer, Done, Duty, Lost, Said, attempt, portable, refusal, result_of

U = TypeVar("U")
R = TypeVar("R")

EXECUTOR_GONE = "FL405"


class Elsewhere(Generic[U, R]):
    """On any executor of concurrent.futures, which stays open and whose workers must be able to import the program.

    A process does one unit at a time, however many threads its executor gives it: a run needs the process to itself.
    """

    def __init__(self, duty: Duty[Any, U, R], executor: Executor) -> None:
        self._duty = portable(duty)
        self._executor = executor
        self.left_over: tuple[Done[U, R], ...] = ()

    def carry_out(self, units: Iterable[U], *, ahead: int = AHEAD) -> Generator[Done[U, R]]:
        """As for Crew."""
        assert ahead >= 1, ahead
        source, sent = enumerate(units), deque[_Sent[U]]()
        self.left_over = ()
        try:
            while True:
                while len(sent) < ahead and (item := next(source, None)) is not None:
                    sent.append(self._submit(*item))
                if not sent:
                    return
                answer = sent[0].answer()
                done = sent.popleft()
                yield Done(done.number, done.unit, answer)
        finally:
            for each in sent:
                each.future.cancel()
            self.left_over = tuple(Done(each.number, each.unit, each.answer()) for each in sent if each.has_result())

    def _submit(self, number: int, unit: U) -> _Sent[U]:
        try:
            return _Sent(number, unit, self._executor.submit(_do_elsewhere, self._duty, unit))
        except Exception as error:
            # Told when its turn comes: the results before it are good.
            refused = Future[Answer]()
            refused.set_exception(_gone(error))
            return _Sent(number, unit, refused)

    def close(self) -> None:
        """As for Crew. The executor stays open: it belongs to whoever made it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class _Sent(Generic[U]):
    """A unit that an executor has."""

    number: int
    unit: U
    future: Future[Answer]

    def answer(self) -> Any:
        """The result, or Lost. Waits for it. Raises as `result_of`, and CrewError if there is no executor any more."""
        try:
            answer = self.future.result()
        except (KeyboardInterrupt, SystemExit, GeneratorExit, CrewError):
            raise
        except BrokenExecutor as error:
            raise _gone(error) from error
        except BaseException as error:
            # Not the unit's own error, which comes as an answer: its worker died, or its answer cannot be sent.
            # BaseException: executors that wrap asyncio may hand on its CancelledError.
            return Lost(f"its executor gave it up: {_shown(error)}")
        return result_of(answer)

    def has_result(self) -> bool:
        """Whether a result is here already."""
        future = self.future
        is_back = future.done() and not future.cancelled() and future.exception() is None
        return is_back and future.result()[0] is Said.RESULT


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


def _gone(error: Exception) -> CrewError:
    return CrewError(f"the executor takes no more work: {_shown(error)}", code=EXECUTOR_GONE)


def _shown(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".removesuffix(".")[:300]
