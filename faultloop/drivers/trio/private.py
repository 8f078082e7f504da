"""Every private name of trio that the driver leans on, one function each, and what is lost where one is missing.

Tried with trio 0.25 to 0.35. What a run cannot do without is asked for before it begins (FL701); what it can do without
costs one kind of fault or some speed, and whoever asks for that is told so in a sentence (FL702).
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cache, partial
from operator import attrgetter
from typing import Any, Literal, cast

import trio
import trio.abc

from faultloop.errors import UsageError

_run: Any = getattr(getattr(trio, "_core", None), "_run", None)
_threads: Any = getattr(trio, "_threads", None)
core = _run
"""The module that trio's loop is in."""
_SLEEP = trio.sleep_until.__code__
_RUNNER = (
    "runq",
    "tasks",
    "deadlines",
    "main_task",
    "main_task_outcome",
    "init_task",
    "io_manager",
    "entry_queue",
    "asyncgens",
    "waiting_for_idle",
    "reschedule",
    "instruments",
)
_TASK = ("_counter", "_next_send_fn", "_cancel_status")


def has(owner: object, name: str) -> bool:
    """Whether a class declares a field, for attrs keeps those without a default out of the class's own attributes."""
    return hasattr(owner, name) or any(field.name == name for field in getattr(owner, "__attrs_attrs__", ()))


@cache
def missing() -> tuple[str, ...]:
    """The names that no run can do without and that this trio does not have."""
    wanted = [(_run, name) for name in ("setup_runner", "unrolled_run", "GLOBAL_RUN_CONTEXT", "Runner", "Task")]
    wanted += [(getattr(_run, "Runner", None), name) for name in _RUNNER]
    wanted += [(getattr(_run, "Task", None), name) for name in _TASK]
    wanted += [(getattr(_run, "Deadlines", None), name) for name in ("expire", "next_deadline", "_heap", "_active")]
    return tuple(name for owner, name in wanted if not has(owner, name))


def require() -> None:
    """Raise UsageError (FL701) if this trio cannot be driven."""
    if lost := missing():
        raise UsageError(
            f"trio {trio.__version__} cannot be driven: it has no {', '.join(lost)}. The trio driver knows trio 0.25 "
            'to 0.35; install one of these, or use driver="asyncio" for anyio code',
            code="FL701",
        )


def start(
    coroutine: Any, clock: trio.abc.Clock, instruments: list[trio.abc.Instrument]
) -> tuple[Any, Generator[float, Any, None]]:
    """A runner in place of the current one, and the loop that its host drives: it yields whenever it would wait.

    coroutine: the scenario's.
    """

    def scenario() -> Any:
        return coroutine

    scenario.__qualname__ = coroutine.__qualname__  # what trio names the task after
    scenario.__module__ = coroutine.cr_frame.f_globals.get("__name__", "")
    runner = _run.setup_runner(clock, instruments, False, True)
    runner.deadlines = _host_driven()()
    return runner, _run.unrolled_run(runner, scenario, (), host_uses_signal_set_wakeup_fd=True)


@cache
def _host_driven() -> Any:
    """Deadlines that pass when the host says so, and not in the middle of a turn that is run step by step."""

    kind: Any = _run.Deadlines

    class Deadlines(kind):  # type: ignore[misc]
        __slots__ = ("_added",)

        def __init__(self) -> None:
            base: Any = super()
            base.__init__()
            self._added = itertools.count()

        def add(self, deadline: float, cancel_scope: Any) -> None:
            """Deadlines of one instant pass in the order they were set; trio's own order is that of addresses."""
            known: Any = self
            heapq.heappush(known._heap, (deadline, next(self._added), cancel_scope))
            known._active += 1

        # The loop's own question, between any two of its batches: always no, and in C.
        expire = staticmethod(math.isnan)

        def expire_now(self, now: float) -> bool:
            """The host's."""
            return bool(kind.expire(self, now))

    return Deadlines


def runq(runner: Any) -> deque[Any]:
    """The tasks that are ready."""
    return runner.runq  # type: ignore[no-any-return]


def next_deadline(runner: Any) -> float:
    """When the next deadline passes, in seconds; infinity if there is none."""
    return float(runner.deadlines.next_deadline())


def deadlines(runner: Any) -> list[tuple[float, int, Any]]:
    """The deadlines, as a heap: the first one passes first, if it still counts."""
    return runner.deadlines._heap  # type: ignore[no-any-return]


def expire(runner: Any, now: float) -> None:
    """Let every deadline up to now pass."""
    runner.deadlines.expire_now(now)


counter: Callable[[Any], int] = attrgetter("_counter")
"""Grows from task to task in order of creation, through the whole process."""


def is_scheduled(task: Any) -> bool:
    """Whether a task is ready."""
    return task._next_send_fn is not None


def idle_waiters(runner: Any) -> list[Any]:
    """Take those that wait for everything else to rest (`wait_all_tasks_blocked`) and whose cushion is smallest."""
    waiting = runner.waiting_for_idle
    if not waiting:
        return []
    cushion = waiting.keys()[0][0]
    keys = [key for key in waiting if key[0] == cushion]
    return [waiting.pop(key) for key in keys]


def poll(runner: Any, seconds: float) -> bool:
    """Let the system say which descriptors are ready, in their order. Returns whether any was."""
    events = runner.io_manager.get_events(seconds)
    if not events:
        return False
    with suppress(TypeError):  # kqueue's events cannot be compared; they come in order of registration
        events = sorted(events)
    runner.io_manager.process_events(events)
    return True


def reaches_out(runner: Any) -> Callable[[], bool]:
    """What tells whether anything from outside may be on its way: a descriptor waited for, a callback from a thread.

    One descriptor is always waited for: trio's own, through which such callbacks wake it.
    """
    registered = getattr(runner.io_manager, "_registered", None)
    callbacks, once_each = (
        getattr(runner.entry_queue, "queue", None),
        getattr(runner.entry_queue, "idempotent_queue", None),
    )
    if registered is None or callbacks is None or once_each is None:
        return lambda: True
    return lambda: len(registered) > 1 or bool(callbacks or once_each)


def scopes_around(task: Any) -> list[Any]:
    """The cancel scopes whose cancellation reaches a task, innermost first: up to the first shield.

    That in which trio itself sleeps is not among them.
    """
    found: list[Any] = []
    status = getattr(task, "_cancel_status", None)
    if status is not None and any(frame.f_code is _SLEEP for frame, _ in task.iter_await_frames()):
        status = getattr(status, "_parent", None)
    while status is not None:
        scope = getattr(status, "_scope", None)
        if scope is None:
            break
        found.append(scope)
        if scope.shield:
            break
        status = getattr(status, "_parent", None)
    return found


def can_be_aborted(task: Any) -> bool:
    """Whether a task is in a wait that something may break off."""
    return getattr(task, "_abort_func", None) is not None


def raise_at(task: Any, error: BaseException) -> str:
    """Raise an error at the await of a suspended task, once what it waits for has cleaned up.

    Returns why that cannot be done, or nothing.
    """
    attempt = getattr(task, "_attempt_abort", None)
    if attempt is None:
        return no_errors()
    abort = task._abort_func

    def fail() -> Any:
        raise error

    attempt(fail)
    if is_scheduled(task):
        return ""
    task._abort_func = abort  # trio asks only once for each wait: a cancellation may still come
    return "the wait cannot be broken off where it is"


def no_errors() -> str:
    """Why no error can be raised at an await of this trio."""
    return f"trio {trio.__version__} has no Task._attempt_abort, so no error can be raised at an await [FL702]"


def is_parent_waiting(nursery: Any) -> bool:
    """Whether the task that opened a nursery has come to the end of its block and waits for the children."""
    return bool(getattr(nursery, "_parent_waiting_in_aexit", False))


@contextmanager
def own_context() -> Generator[Callable[[], AbstractContextManager[None]], None, None]:
    """No trio is running here, whatever runs around; put back afterwards. Gives what puts it back for a while."""
    context: dict[str, Any] = _run.GLOBAL_RUN_CONTEXT.__dict__
    around = dict(context)

    @contextmanager
    def back() -> Generator[None, None, None]:
        context.update(around)
        try:
            yield
        finally:
            context.clear()

    context.clear()
    try:
        yield back
    finally:
        context.clear()
        context.update(around)


def socket_type() -> Any:
    """The class of trio's sockets. Raises UsageError (FL702) if it cannot be put on a network of ours."""
    kind = getattr(getattr(trio, "_socket", None), "_SocketType", None)
    if not hasattr(kind, "_nonblocking_helper"):
        raise UsageError(
            f"trio {trio.__version__} has no _SocketType._nonblocking_helper, so no network can be simulated: "
            'run with io="loopback"',
            code="FL702",
        )
    return kind


def errors_beside(task: Any) -> int:
    """How many errors the children of a task's nursery have left there so far."""
    return len(getattr(task.parent_nursery, "_pending_excs", ()))


def error_of(runner: Any, task: Any, before: int) -> BaseException | None:
    """The error that a task has just ended with, or None. before: `errors_beside` before its last step."""
    if task is runner.main_task:
        error: BaseException | None = getattr(runner.main_task_outcome, "error", None)
        return error
    errors: list[BaseException] = getattr(task.parent_nursery, "_pending_excs", [])
    return errors[-1] if len(errors) > before else None


def close_coroutine(runner: Any, task: Any) -> None:
    """End the coroutine of a task that is left behind, as if it were running. It may not.

    Its nursery would complain of children that are left when it is collected.
    """
    children: set[Any] = getattr(task.parent_nursery, "_children", set())
    children.discard(task)
    # Without a current task every await of trio fails at once, and a loop that swallows errors would never end.
    context: dict[str, Any] = _run.GLOBAL_RUN_CONTEXT.__dict__
    before = dict(context)
    context.update(runner=runner, task=task)
    try:
        task.coro.close()
    except BaseException:
        return
    finally:
        context.clear()
        context.update(before)


class _NeverReversed(random.Random):
    """What trio draws from: its batches keep the order they are given."""

    def __init__(self) -> None:
        super().__init__(0)
        # More than the half below which a batch is turned round. Asked for each batch, so in C.
        cast(Any, self).random = partial(float, 0.75)


_lending = threading.Lock()
_borrowers = 0
_lent: tuple[Any, Any] = (None, None)


def keeps_batches() -> bool:
    """Whether trio can be made to run a whole batch in a given order; if not, each step is a batch of its own."""
    return hasattr(_run, "_r") and hasattr(_run, "_ALLOW_DETERMINISTIC_SCHEDULING")


@contextmanager
def batches_as_given() -> Generator[None, None, None]:
    """Lend trio a source of chance that leaves batches alone. Hypothesis and pytest-trio set the same two names."""
    global _borrowers, _lent
    if not keeps_batches():
        yield
        return
    with _lending:
        if not _borrowers:
            _lent = (_run._ALLOW_DETERMINISTIC_SCHEDULING, _run._r)
            _run._ALLOW_DETERMINISTIC_SCHEDULING, _run._r = False, _NeverReversed()
        _borrowers += 1
    try:
        yield
    finally:
        with _lending:
            _borrowers -= 1
            if not _borrowers:
                _run._ALLOW_DETERMINISTIC_SCHEDULING, _run._r = _lent


@contextmanager
def thread_starter(start_thread: Callable[..., None]) -> Generator[bool, None, None]:
    """Let `trio.to_thread` start its threads with another function. Yields whether it does."""
    original = getattr(_threads, "start_thread_soon", None)
    if original is None:
        yield False
        return
    _threads.start_thread_soon = start_thread
    try:
        yield True
    finally:
        _threads.start_thread_soon = original


def capture(work: Callable[[], Any]) -> Any:
    """What came of a call, as trio keeps it."""
    return _run.capture(work)


def failed(error: BaseException) -> Any:
    """What a wait ends with that ends in an error."""

    def fail() -> None:
        raise error

    return capture(fail)


def start_real_thread(work: Callable[[], Any], deliver: Callable[[Any], object], name: str | None = None) -> None:
    """What `trio.to_thread` starts threads with."""
    from trio._core import start_thread_soon  # type: ignore[attr-defined]

    start_thread_soon(work, deliver, name)


def worker_state(thread: threading.Thread) -> Literal["", "idle", "busy"]:
    """What a thread of trio's own is at; nothing for any other. An idle one sleeps until its timeout, and ends."""
    worker = getattr(getattr(thread, "_target", None), "__self__", None)
    if not type(worker).__module__.startswith("trio."):
        return ""
    cache = getattr(sys.modules.get("trio._core._thread_cache"), "THREAD_CACHE", None)
    return "idle" if worker in getattr(cache, "_idle_workers", ()) else "busy"
