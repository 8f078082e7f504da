"""Threads under a deterministic loop.

`inline`: a job for a thread runs on the loop's own thread, at a scheduled step of its own. It runs even if its waiter
has been cancelled by then, as a real thread's job would. `real`: it runs in a thread; the loop takes no step of virtual
time while one may still answer. `paced`: it runs in a thread, and while any lives virtual time goes no faster than real
time does, for programs in which a thread and a timer race each other.
"""

from __future__ import annotations

import _thread
import re
import threading
import time
import weakref
from asyncio import events
from collections.abc import Callable, Generator
from concurrent.futures.thread import _worker as _pool_worker  # pyright: ignore[reportUnknownVariableType]
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

from faultloop.drivers.boundary import declare
from faultloop.drivers.from_thread import job_of
from faultloop.drivers.jobs import call
from faultloop.drivers.rest import LAST_ANSWER_SECONDS, Look, all_rest, cannot_tell, look_at, may_wake
from faultloop.errors import OverLimit
from faultloop.model.faults import NANOSECONDS

if TYPE_CHECKING:
    from faultloop.drivers.asyncio.loop import Loop

_real_threads = threading.enumerate
"""As it was before programs were shown threads there that are none (`aiosqlite_steps`)."""

for _api in ("loop.run_in_executor", "asyncio.to_thread", "anyio.to_thread.run_sync"):
    declare(
        _api,
        "inline",
        "runs on the loop's thread at a step of its own",
        'threads="real", threads="paced"',
        on="asyncio",
    )
declare(
    "run_in_executor with a pool of processes",
    "refused",
    "FL302",
    'a ThreadPoolExecutor, or threads="real"',
    on="asyncio",
)
declare(
    "threading.Thread, loop.call_soon_threadsafe",
    "through",
    "real; what it posts is taken when all threads rest",
    on="asyncio",
)

SETTLE_SECONDS = 2.0
"""Real time the loop gives other threads to come to rest before it lets virtual time go on."""
_POLL_SECONDS = 0.0003
_PACE_SECONDS = 0.001

_NUMBER = re.compile(r"[-_ ]?[0-9]+")
Done = Callable[[Any, BaseException | None], object]

_posters: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
"""Threads that ever posted to one of our loops: worth waiting for, even if they began before the run."""


def run_inline(loop: Loop, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """Queue a thread's job as a step of its own. Returns the future of its result."""
    future = loop.create_future()
    step_inline(loop, lambda: call(function, args), function, lambda result, error: answer(future, result, error))
    return future


def step_inline(loop: Loop, job: Callable[[], Any], name: object, done: Done) -> None:
    """Queue what a thread would do as a step of its own.

    name: the function that is meant, for people.   done: told the result or the error, later by as much as it slept.
    """

    def step() -> None:
        events._set_running_loop(None)  # a thread has no running loop either
        loop.inline_job = function_name(name)
        loop.slept_inline = 0
        try:
            with job_of(lambda: _at_home(loop)):
                result, error = job(), None
        except (SystemExit, KeyboardInterrupt):
            raise  # the job's name stays: it is what the run ended in
        except BaseException as raised:
            result, error = None, raised
        finally:
            events._set_running_loop(loop)
        loop.inline_job = ""
        slept, loop.slept_inline = loop.slept_inline, 0
        if slept:
            loop.call_at((loop.now + slept) / NANOSECONDS, done, result, error)
        else:
            done(result, error)

    loop.call_soon(step)


@contextmanager
def _at_home(loop: Loop) -> Generator[None, None, None]:
    """The thread is the loop's again."""
    events._set_running_loop(loop)
    try:
        yield
    finally:
        events._set_running_loop(None)


def answer(future: Any, result: Any, error: BaseException | None) -> None:
    """A thread's job has ended: its waiter, unless it was cancelled meanwhile, is told."""
    if future.done():
        return
    if isinstance(error, StopIteration):
        error = RuntimeError("a thread's job raised StopIteration")
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)


def function_name(function: Any) -> str:
    """What to call a function, or a partial one, without any address."""
    while (inner := getattr(function, "func", None)) is not None:
        function = inner
    return getattr(function, "__qualname__", None) or type(function).__name__


def thread_name(thread: threading.Thread) -> str:
    """What to call a thread without the number that its process gave it: by its target, else by its class or name."""
    target = getattr(thread, "_target", None)
    if target is not None:
        return f"{getattr(target, '__module__', '?')}.{function_name(target)}"
    if type(thread) is not threading.Thread:
        return f"{type(thread).__module__}.{type(thread).__qualname__}"
    return _NUMBER.sub("", thread.name) or "a thread"


def post(loop: Loop, handle: Any) -> None:
    """A callback from another thread: kept until the loop is idle, so that its place does not depend on timing."""
    thread = threading.current_thread()
    _posters.add(thread)
    loop.reaches_out = True
    if (name := thread_name(thread)) not in loop.heard_from:
        loop.heard_from.append(name)
    loop.inbox.append((thread, handle))


def has_foreign_threads(loop: Loop) -> bool:
    """Whether some thread may still post."""
    return (_thread._count() != loop.threads_at_start or has_posters()) and bool(_foreign(loop))


def has_posters() -> bool:
    """Whether any thread of the process has ever posted to one of our loops."""
    return len(_posters) > 0


def _foreign(loop: Loop) -> list[threading.Thread]:
    me = threading.current_thread()
    return [t for t in _real_threads() if t is not me and (t not in loop.threads_known or t in _posters)]


def settle(loop: Loop) -> bool:
    """Wait until every foreign thread has come to rest; then take what they posted. Returns whether anything came.

    Exact on Linux; elsewhere the wait is bounded only by time (see `rest`).
    """
    before: Look | None = None
    end = time.perf_counter() + SETTLE_SECONDS
    while time.perf_counter() < end:
        if loop.poll(_POLL_SECONDS):
            break
        now = look_at(_foreign(loop))
        if all_rest(before, now):
            break
        before = now
    return drain(loop)


def outwait(loop: Loop) -> bool:
    """Nothing can run and no timer is pending: give threads real time that wake by themselves. Whether anything came.

    Raises OverLimit where one is left that may still answer: whether that is a deadlock, nobody can say.
    """
    end = time.perf_counter() + LAST_ANSWER_SECONDS
    while is_under_way(loop):
        if loop.poll(_PACE_SECONDS) or loop.inbox:
            settle(loop)
            return True
        if time.perf_counter() > end:
            raise OverLimit(cannot_tell(_foreign(loop), thread_name, '; threads="paced" waits longer'))
    return drain(loop)


def is_under_way(loop: Loop) -> bool:
    """Whether some thread beside the loop goes on by itself, however long it sleeps."""
    return may_wake(_foreign(loop))


def pace(loop: Loop, until: int) -> bool:
    """Wait until as much real time as virtual has passed since the clock moved. Returns whether something came before.

    until: the instant that virtual time is to move to.
    """
    now = time.perf_counter()
    # The instant at which virtual time last had to wait for real time, and when that began.
    if loop.paced[0] != loop.now:
        loop.paced = (loop.now, now)
    end = loop.paced[1] + (until - loop.now) / NANOSECONDS
    while now < end and _may_answer(loop):
        if loop.poll(min(end - now, _PACE_SECONDS)) or drain(loop):
            return True
        now = time.perf_counter()
        if now > loop.wall_end:
            raise OverLimit(f"over limit: {loop.limits.wall_seconds:g} s of real time, which paced threads take")
    return drain(loop)


def _may_answer(loop: Loop) -> bool:
    """Whether some thread may still post, other than the idle ones of a pool."""
    return bool(loop.jobs_running or loop.subprocesses) or any(
        getattr(thread, "_target", None) is not _pool_worker for thread in _foreign(loop)
    )


def drain(loop: Loop) -> bool:
    """Queue what other threads posted: by the order their threads began, each thread's own in its order."""
    if not loop.inbox:
        return False
    posted = list(loop.inbox)
    del loop.inbox[: len(posted)]
    if len({id(thread) for thread, _ in posted}) > 1:
        began = {thread: i for i, thread in enumerate(_real_threads())}
        posted.sort(key=lambda row: began.get(row[0], -1))
    for _, handle in posted:
        loop.push_handle(handle)
    return True


@contextmanager
def _job_running(loop: Loop) -> Generator[None, None, None]:
    """A library has a job done in a thread of its own: time waits for it, as for those of the loop's executors."""
    loop.reaches_out = True
    loop.jobs_running += 1
    try:
        yield
    finally:
        loop.jobs_running -= 1


def inline_anyio(backend: ModuleType) -> None:
    """Let `anyio.to_thread.run_sync` go through the loop's executor when the loop runs jobs inline."""
    asyncio_backend: Any = getattr(backend, "AsyncIOBackend", None)
    if asyncio_backend is None:  # anyio 3: its own threads, waited for at every idle moment
        return
    original = asyncio_backend.__dict__["run_sync_in_worker_thread"].__func__
    cancel_scope: Any = backend.CancelScope

    async def run_sync_in_worker_thread(
        cls: Any, func: Callable[..., Any], args: tuple[Any, ...], abandon_on_cancel: bool = False, limiter: Any = None
    ) -> Any:
        loop: Any = events._get_running_loop()
        mode = getattr(loop, "thread_mode", "")
        if not mode:
            return await original(cls, func, args, abandon_on_cancel, limiter)
        if mode != "inline":
            with _job_running(loop):
                return await original(cls, func, args, abandon_on_cancel, limiter)
        await cls.checkpoint()
        async with limiter or cls.current_default_thread_limiter():
            with cancel_scope(shield=not abandon_on_cancel):
                return await loop.run_in_executor(None, func, *args)

    asyncio_backend.run_sync_in_worker_thread = classmethod(run_sync_in_worker_thread)
