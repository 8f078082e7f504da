"""A crew of processes of our own, each with a pipe of its own.

Each worker has at most two units in its hands, so who dies takes one unit along that can be named, and nobody else is
disturbed (docs/internals/adr/007-work-in-other-processes.md). There is no thread here, so forking is safe.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections import deque
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast

from faultloop.errors import CrewError, UsageError
from faultloop.search.crew import AHEAD, NO_WORKER, Answer, Done, Duty, Lost, Said, portable, result_of
from faultloop.search.worker import interrupts_held, work

if TYPE_CHECKING:
    from multiprocessing.context import ForkContext, SpawnContext

U = TypeVar("U")
R = TypeVar("R")

NO_JOBS = "FL406"

TRIES = 2
"""How often a unit is begun that ends its process."""
IN_HANDS_MAX = 2
"""Units that a worker has: the one it does, and the one it goes on with at once."""
WAITING_BYTES_MAX = 16 * 1024
"""A unit longer than this is sent to idle hands only. A shorter one fits any pipe's buffer, so that sending it to a
worker, who may itself be sending a long result, never waits."""
STILLBORN_MAX = 3
"""How many workers in a row may end before they are ready."""
LOOK_SECONDS = 1.0
"""How often workers are looked at whose pipe says nothing: a child of the program may hold the pipe of a dead one."""
END_SECONDS = 2.0
"""How long an idle worker may take to go home before it is killed."""


class _Job(Generic[U]):
    """A unit on its way. answer: None until there is one."""

    __slots__ = ("answer", "data", "deaths", "number", "unit")

    def __init__(self, number: int, unit: U) -> None:
        self.number = number
        self.unit = unit
        self.data = pickle.dumps(unit)
        self.deaths = 0
        self.answer: Answer | Lost | None = None


@dataclass(slots=True, eq=False)
class _Worker:
    """One process. in_hands: what it was given and has not answered, in order: the first is what it does, once it has
    said that it has begun."""

    process: BaseProcess
    pipe: Connection
    in_hands: deque[_Job[Any]] = field(default_factory=deque[_Job[Any]])
    is_ready: bool = False
    has_begun: bool = False

    def take(self, answer: Answer) -> None:
        """What it says about the unit that it does."""
        self.has_begun = answer[0] is Said.BEGUN
        if not self.has_begun:
            self.in_hands.popleft().answer = answer

    def can_take(self, job: _Job[Any], *, only_idle: bool) -> bool:
        if not self.in_hands:
            return self.is_ready
        return not only_idle and len(self.in_hands) < IN_HANDS_MAX and len(job.data) <= WAITING_BYTES_MAX


class Processes(Generic[U, R]):
    """As many processes as `jobs` says, started when there is work, the program imported once in each.

    Forked where that is safe, so that a program without a name (a closure, a test's own function) can come along;
    started afresh elsewhere, and then the duty must be picklable.
    """

    def __init__(self, duty: Duty[Any, U, R], jobs: int) -> None:
        if jobs < 1:
            raise UsageError(f"jobs is a number of processes from 1, not {jobs}", code=NO_JOBS)
        self._duty = duty
        self._jobs = jobs
        self._workers: list[_Worker] = []
        self._stillborn = 0
        self.left_over: tuple[Done[U, R], ...] = ()

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes there are now."""
        return tuple(cast("int", worker.process.pid) for worker in self._workers)

    def carry_out(self, units: Iterable[U], *, ahead: int = AHEAD) -> Generator[Done[U, R]]:
        """As for Crew."""
        assert ahead >= 1, ahead
        assert not any(worker.in_hands for worker in self._workers), "one round at a time"
        source, asked, to_do = enumerate(units), deque[_Job[U]](), deque[_Job[U]]()
        self.left_over = ()
        try:
            while True:
                while len(asked) < ahead and (item := next(source, None)) is not None:
                    asked.append(_Job(*item))
                    to_do.append(asked[-1])
                self._hand_out(to_do)
                if not asked:
                    return
                while asked[0].answer is None:
                    self._listen(to_do)
                    self._hand_out(to_do)
                job = asked.popleft()
                yield Done(job.number, job.unit, _result(job))
        finally:
            self._end_round()
            self.left_over = tuple(
                Done(job.number, job.unit, _result(job)) for job in asked if job.answer and _is_good(job.answer)
            )

    def close(self) -> None:
        """As for Crew: the idle go home, the others are killed."""
        workers, self._workers = self._workers, []
        for worker in workers:
            worker.pipe.close()  # which is how an idle one knows
            if worker.in_hands or not worker.is_ready:
                worker.process.kill()
        for worker in workers:
            worker.process.join(END_SECONDS)
            _end(worker)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Giving and taking

    def _hand_out(self, to_do: deque[_Job[U]]) -> None:
        """Give the first units to whom they fit, to idle hands first."""
        while to_do:
            # The last ones wait for idle hands: one that waits behind a long one would end the round late.
            is_last = len(to_do) <= self._jobs
            takers = [worker for worker in self._workers if worker.can_take(to_do[0], only_idle=is_last)]
            taker = min(takers, key=lambda worker: len(worker.in_hands), default=None)
            if taker is None:
                break
            job = to_do.popleft()
            taker.in_hands.append(job)
            try:
                taker.pipe.send_bytes(job.data)
            except OSError:
                # What it said before it died is in its pipe still, and the end of the pipe after that.
                while taker in self._workers:
                    self._hear(taker, to_do)
        starting = sum(not worker.is_ready for worker in self._workers)
        while starting < len(to_do) and len(self._workers) < self._jobs:
            self._start()
            starting += 1

    def _listen(self, to_do: deque[_Job[U]]) -> None:
        """Wait until somebody answers or dies."""
        by_pipe = {worker.pipe: worker for worker in self._workers}
        speaking = wait(by_pipe, timeout=LOOK_SECONDS)
        for pipe in speaking:
            self._hear(by_pipe[cast("Connection", pipe)], to_do)
        if not speaking:
            for worker in tuple(self._workers):
                if not worker.process.is_alive() and not worker.pipe.poll():
                    self._bury(worker, to_do)

    def _hear(self, worker: _Worker, to_do: deque[_Job[U]]) -> None:
        try:
            data = worker.pipe.recv_bytes()
        except (EOFError, OSError):
            self._bury(worker, to_do)
            return
        answer: Answer = pickle.loads(data)
        if answer[0] is Said.READY:
            worker.is_ready = True
            self._stillborn = 0
        elif answer[0] is Said.CANNOT:
            result_of(answer)
        else:
            worker.take(answer)

    # Coming and going

    def _start(self) -> None:
        context = self._context()
        ours, theirs = context.Pipe()
        is_forked = context.get_start_method() == "fork"
        inherited = (ours, *(worker.pipe for worker in self._workers)) if is_forked else ()
        process = context.Process(
            target=work, args=(theirs, inherited, self._duty), name="faultloop worker", daemon=True
        )
        try:
            with interrupts_held():
                process.start()
                self._workers.append(_Worker(process, ours))
        finally:
            theirs.close()

    def _context(self) -> ForkContext | SpawnContext:
        """How to start a process now. Not by forking where other threads may hold locks, or where the system's own
        libraries do not bear it (macOS)."""
        if "fork" in multiprocessing.get_all_start_methods() and sys.platform != "darwin" and _has_one_thread():
            return multiprocessing.get_context("fork")
        portable(self._duty)
        return multiprocessing.get_context("spawn")

    def _bury(self, worker: _Worker, to_do: deque[_Job[U]]) -> None:
        """Take a dead worker off the list; what it had in its hands is done again, unless it is what kills.

        A unit that the worker had not begun is no suspect, whoever killed the worker.
        """
        self._workers.remove(worker)
        _end(worker)
        how = _cause_of_death(worker.process.exitcode)
        worker.process.close()
        worker.pipe.close()
        if not worker.is_ready:
            self._stillborn += 1
            if self._stillborn >= STILLBORN_MAX:
                raise CrewError(f"workers end before they have loaded the program: {how}", code=NO_WORKER)
        if worker.has_begun:
            suspect = worker.in_hands[0]
            suspect.deaths += 1
            if suspect.deaths >= TRIES:
                suspect.answer = Lost(f"its process ended {TRIES} times: {how}")
                worker.in_hands.popleft()
        to_do.extendleft(reversed(worker.in_hands))

    def _end_round(self) -> None:
        """Take what has come back; whoever is still at work is killed, for nobody waits for that any more."""
        busy = [worker for worker in self._workers if worker.in_hands]
        for worker in busy:
            try:
                # At the end of the interpreter nothing can be unpickled any more.
                while worker.in_hands and worker.pipe.poll() and not sys.is_finalizing():
                    worker.take(pickle.loads(worker.pipe.recv_bytes()))
            except (EOFError, OSError):
                pass
            if worker.in_hands:
                worker.process.kill()
        for worker in [worker for worker in busy if worker.in_hands]:
            self._workers.remove(worker)
            _end(worker)
            worker.pipe.close()


def _has_one_thread() -> bool:
    try:
        # Those of C libraries too, of which Python knows nothing.
        return len(os.listdir("/proc/self/task")) == 1
    except OSError:
        return threading.active_count() == 1


def _end(worker: _Worker) -> None:
    if worker.process.is_alive():
        worker.process.kill()
    worker.process.join()


def _cause_of_death(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def _is_good(answer: Answer | Lost) -> bool:
    return isinstance(answer, Lost) or answer[0] is Said.RESULT


def _result(job: _Job[Any]) -> Any:
    assert job.answer is not None
    return job.answer if isinstance(job.answer, Lost) else result_of(job.answer)
