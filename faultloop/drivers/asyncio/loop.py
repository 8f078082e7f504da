"""The deterministic asyncio loop: asyncio's whole surface, with the ready queue and the clock in our hands.

It is asyncio's own selector loop with other answers to two questions: who runs next (`turns`) and what time it
is (`agenda`, in integer nanoseconds from 0). Sockets on loopback, signals, executors and async generators keep working;
what would reach outside the machine is refused by name.
"""

from __future__ import annotations

import _thread
import asyncio
import concurrent.futures
import functools
import selectors
import sys
import threading
import time
import weakref
from asyncio import events
from collections.abc import Callable, Set
from contextvars import Context
from typing import TYPE_CHECKING, Any, TypeVarTuple, cast

from faultloop.drivers.asyncio import ordering, threads, turns
from faultloop.drivers.asyncio.handles import (
    WAKERS,
    BuiltinMethod,
    Callback,
    ForeignCallback,
    ForLibrary,
    Future,
    StepCallback,
    Task,
    Timer,
    is_wakeup,
    make_task,
    set_timer,
)
from faultloop.drivers.asyncio.install import install
from faultloop.drivers.asyncio.network import NetworkLoop
from faultloop.drivers.asyncio.nodes import Nodes
from faultloop.drivers.network import Network
from faultloop.drivers.ready import ABSENT, Choose, Ordering, ReadyQueue, ordering_for
from faultloop.drivers.timers import FOREVER_SECONDS, NEVER, Agenda, instant_of
from faultloop.errors import EscapeRefused
from faultloop.model.faults import NANOSECONDS
from faultloop.model.limits import Limits
from faultloop.model.trace import Order, Threads

_Ts = TypeVarTuple("_Ts")


class _OpensIo:
    """An attribute that comes into being, with the others of its kind, when it is first asked for.

    Not `__getattr__`: a class that has it loses the interpreter's fast attributes, all of them (a tenth of a run).
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, loop: Any, owner: type) -> Any:
        loop._open_io()
        return loop.__dict__[self._name]


class Loop(NetworkLoop):
    """An event loop whose order and time are answers, not circumstances.

    order: how freely ready tasks may overtake each other.   choose: answers order questions; None is always calm.
    hold: for order `any`, for how many turns a ready task may be held back; None lifts the bound.
    threads: whether a job for a thread runs `inline` at a scheduled step, or in a `real` thread, perhaps `paced`.
    """

    _selector: Any = _OpensIo()
    _ssock: Any = _OpensIo()
    _csock: Any = _OpensIo()
    if TYPE_CHECKING:  # asyncio's own attributes, which its stubs leave out

        def __getattr__(self, name: str) -> Any: ...

    def __init__(
        self,
        *,
        order: Order = "fifo",
        choose: Choose | None = None,
        limits: Limits | None = None,
        threads: Threads = "inline",
        hold: int | None = 2,
        network: Callable[[Loop], Network] | None = None,
    ) -> None:
        # The selector and its socket pair are made when a descriptor is first needed: a tenth of a small run otherwise.
        asyncio.BaseEventLoop.__init__(self)
        self._signal_handlers: dict[int, Any] = {}
        self._unix_server_sockets: dict[Any, Any] = {}
        self._clock_resolution = 1e-9
        self._for_library = ForLibrary(self)
        cast(Any, self).create_future = functools.partial(Future, loop=self)  # as the method does, without Python code
        self._task_ordinal = 0
        self._hashes = 0
        self._eager = False
        self._home_thread = threading.get_ident()
        self.reaches_out = False
        """Whether anything outside the loop may have a say: descriptors, threads, child processes."""
        self.limit(limits if limits is not None else Limits())
        self.thread_mode = threads
        self.now = 0
        self.step = 0
        """Number of the last entry run: callbacks and task steps alike, from 1."""
        self.turns_at_instant = 0
        self.queue = ReadyQueue()
        self._push = self.queue.push
        self.choose = choose
        self.ordering: Ordering = ordering_for(order, self.queue, choose, hold)
        self.agenda: Agenda[Timer] = Agenda()
        self.due: list[Timer] = []
        self.inbox: list[tuple[threading.Thread, Any]] = []
        self.inline_job = ""
        self.slept_inline = 0  # by the thread's job that runs inline, in virtual nanoseconds
        self.heard_from: list[str] = []  # threads of the program's own that posted, by name
        self.paced: tuple[int, float] = (-1, 0.0)  # as threads.pace keeps it
        self.jobs_running = 0
        self.subprocesses: list[Any] = []
        self.threads_known: Set[threading.Thread] = frozenset()
        """Those that lived when the run began, besides its own."""
        self.threads_at_start = -1
        self.stepped_threads: list[threading.Thread] = []  # that were started, and are steps instead
        self.watcher: turns.Watcher | None = None
        self.nodes: Nodes | None = None
        self.next_stop = 0
        self.next_check = min(turns.CHECK_STEPS, self.limits.steps)
        self.wall_end = float("inf")
        self.complaints: list[dict[str, Any]] | None = None
        """Where errors nobody caught are kept; None logs them as asyncio does."""
        self.logs_complaints = False
        """Whether those that are kept are logged all the same."""
        self.open_generators: list[str] = []
        self.failed_at_once: list[Task] = []
        """Eager tasks that ended in an error within their first step: asyncio keeps them in none of its sets."""
        self.network = network(self) if network is not None else None

    def _open_io(self) -> None:
        self.reaches_out = True
        self._selector = selectors.DefaultSelector()
        Context().run(cast(Any, self)._make_self_pipe)  # nobody's: not of the code that happens to need it first

    @property
    def has_io(self) -> bool:
        """Whether anything but our own wake-up pipe could become readable."""
        return "_selector" in self.__dict__ and (len(self._selector.get_map()) > 1 or bool(self._signal_handlers))

    def limit(self, limits: Limits) -> None:
        """Set what the run may spend from now on."""
        self.limits = limits
        self.virtual_end = int(min(limits.virtual_seconds, FOREVER_SECONDS) * NANOSECONDS)

    def _next_hash(self, _: object) -> int:
        self._hashes += 1
        return self._hashes

    # Time and queueing

    def pass_time(self, nanoseconds: int) -> None:
        """Let time pass within a step, as a call that blocks does; a thread's job blocks only itself."""
        if self.inline_job:
            self.slept_inline += nanoseconds
        elif nanoseconds:
            turns.move(self, nanoseconds)

    def set_debug(self, enabled: bool) -> None:
        """Turn asyncio's debug mode on or off. Every future asks for it when it is made, so the answer is in C."""
        super().set_debug(enabled)
        cast(Any, self).get_debug = functools.partial(bool, enabled)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self.now / NANOSECONDS

    # Typeshed names the callback and ties its arguments to it. Positional and untied, a step is told by two checks.
    def call_soon(  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        self, callback: Any, arg: Any = ABSENT, /, *more: Any, context: Any = None
    ) -> Any:
        """Queue a callback. Steps of tasks, which nobody can cancel, go without a handle."""
        kind: Any = type(callback)  # pyright: ignore[reportUnknownVariableType]
        if kind is StepCallback or (kind is BuiltinMethod and type(arg) in WAKERS and type(callback.__self__) is Task):
            self._push((context, callback, arg))
            return None
        return self._call_soon_plain(callback, () if arg is ABSENT else (arg, *more), context)

    def _call_soon_plain(self, callback: Any, args: tuple[Any, ...], context: Any) -> Any:
        if self._closed:
            self._check_closed()
        if len(args) == 1 and is_wakeup(callback, args[0]):
            self._push((context, callback, args[0]))
            return None
        if self._debug:
            cast(Any, self)._check_thread()
            cast(Any, self)._check_callback(callback, "call_soon")
        handle = Callback(callback, args, self, context)
        if self._debug and getattr(handle, "_source_traceback", None):
            del cast(Any, handle)._source_traceback[-1]
        self.queue.push_callback((handle, callback, ABSENT))
        return handle

    def push_handle(self, handle: Any) -> None:
        """Queue a handle that exists already."""
        runner = handle if isinstance(handle, Callback | Timer) else ForeignCallback(handle)
        self.queue.push_callback((runner, handle._callback, ABSENT))

    def _add_callback(self, handle: Any) -> None:
        if not handle._cancelled:
            self.push_handle(handle)

    def call_soon_threadsafe(
        self, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> Any:
        """Queue a callback from any thread; another thread's is taken when the loop is idle."""
        if threading.get_ident() == (self._thread_id or self._home_thread):
            return self._call_soon_plain(callback, args, context)
        self._check_closed()
        handle = Callback(callback, args, self, context)
        threads.post(self, handle)
        return handle

    def call_later(
        self, delay: float, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> Any:
        """Queue a callback for a later virtual time. delay: seconds."""
        if delay is None:  # pyright: ignore[reportUnnecessaryComparison]
            raise TypeError("delay must not be None")
        if delay >= FOREVER_SECONDS:
            return set_timer(self, NEVER, callback, args, context)
        # However short, it is not nothing: who naps until a float deadline would else never get past the last rounding.
        nanoseconds = round(delay * NANOSECONDS) or (delay > 0)
        return set_timer(self, self.now + nanoseconds, callback, args, context)

    def call_at(
        self, when: float, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> Any:
        """Queue a callback for an absolute virtual time. when: seconds on the loop's clock."""
        if when is None:  # pyright: ignore[reportUnnecessaryComparison]
            raise TypeError("when cannot be None")
        return set_timer(self, instant_of(when), callback, args, context)

    def _timer_handle_cancelled(self, handle: Any) -> None:
        pass  # Timer.cancel tells the agenda itself

    # Tasks and futures

    def create_future(self) -> Any:
        """A future of ours."""
        return Future(loop=self)

    def create_task(self, coro: Any, *, name: object = None, context: Context | None = None, **extra: Any) -> Any:
        """A task of ours, also under asyncio's eager factory. Another factory's tasks run, but bear no ordinal."""
        if self._closed:
            self._check_closed()
        factory = self._task_factory
        if factory is None:
            return make_task(self, coro, name=name, context=context, **extra)
        if self._eager:
            return make_task(self, coro, name=name, context=context, **{"eager_start": True, **extra})
        if name is not None:
            extra["name"] = name
        if context is not None:
            extra["context"] = context
        try:
            return factory(self, coro, **extra)
        except TypeError:
            if "name" not in extra:
                raise
            del extra["name"]  # until 3.13 a factory was not given the name
            task = factory(self, coro, **extra)
            task.set_name(name)
            return task

    def set_task_factory(self, factory: Any) -> None:
        """Set how tasks are made. asyncio's eager factory makes ours, eagerly."""
        super().set_task_factory(factory)
        self._eager = factory is not None and factory is getattr(asyncio, "eager_task_factory", None)

    # Threads, processes, the network

    def run_in_executor(self, executor: Any, func: Callable[[*_Ts], Any], *args: *_Ts) -> Any:
        """Run a job for a thread: inline at a scheduled step, or in a real thread if the run says so."""
        self._check_closed()
        if self._debug:
            cast(Any, self)._check_callback(func, "run_in_executor")
        if self.thread_mode == "inline":
            if executor is not None and not isinstance(executor, concurrent.futures.ThreadPoolExecutor):
                raise EscapeRefused(
                    f"run_in_executor with a {type(executor).__name__}: only a thread's job can run inline. "
                    'Use a ThreadPoolExecutor, or run with threads="real"',
                    code="FL302",
                )
            return threads.run_inline(self, func, args)
        future: Any = super().run_in_executor(executor, func, *args)
        self.reaches_out = True
        self.jobs_running += 1
        future.add_done_callback(self._job_done)
        return future

    def _job_done(self, _: Any) -> None:
        self.jobs_running -= 1

    async def _make_subprocess_transport(self, *args: Any, **kwargs: Any) -> Any:
        transport = await cast(Any, super())._make_subprocess_transport(*args, **kwargs)
        self.reaches_out = True
        self.subprocesses.append(transport)
        return transport

    def poll(self, seconds: float = 0) -> bool:
        """Queue what I/O is ready, by descriptor. Waits up to `seconds` of real time. Returns whether there was any."""
        if "_selector" not in self.__dict__:
            if seconds > 0:
                time.sleep(seconds)
            return False
        ready: list[tuple[selectors.SelectorKey, int]] = self._selector.select(seconds)
        if self.nodes is not None:
            ready = [event for event in ready if self.nodes.hears(event[0])]
        if not ready:
            return False
        if self.network is not None:
            self.network.answered()
        ready.sort(key=lambda event: event[0].fd)
        before = len(self.queue.entries)
        cast(Any, self)._process_events(ready)
        return len(self.queue.entries) > before

    # Errors nobody caught

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep an error nobody caught for the run's report; the program's own handler is called all the same."""
        if self.complaints is None:
            super().call_exception_handler(context)
            return
        self.complaints.append(context)
        if self.logs_complaints or self.get_exception_handler() is not None:
            super().call_exception_handler(context)

    def _asyncgen_finalizer_hook(self, agen: Any) -> None:
        self.open_generators.append(agen.__qualname__)
        cast(Any, super())._asyncgen_finalizer_hook(agen)

    # Running

    def run_forever(self) -> None:
        """Run until stop() is called. Raises Deadlock, Livelock or OverLimit where asyncio's own loop would hang."""
        me: Any = self
        me._check_closed()
        me._check_running()
        install()
        hooks = sys.get_asyncgen_hooks()
        me._set_coroutine_origin_tracking(self._debug)
        self._thread_id = threading.get_ident()
        if self.threads_at_start < 0:
            if threading.active_count() > 1:
                self.threads_known = weakref.WeakSet(threading.enumerate())
            self.threads_at_start = _thread._count()
            self.reaches_out |= threads.has_posters()
        if self.wall_end == float("inf"):
            self.wall_end = time.perf_counter() + self.limits.wall_seconds
        sys.set_asyncgen_hooks(firstiter=me._asyncgen_firstiter_hook, finalizer=me._asyncgen_finalizer_hook)
        events._set_running_loop(self)
        ordering.lend_future_name()
        if self.network is not None:
            self.network.enter()
        try:
            turns.spin(self)
        finally:
            if self.network is not None:
                self.network.leave()
            ordering.return_future_name()
            self._stopping = False
            me._thread_id = None
            events._set_running_loop(None)
            me._set_coroutine_origin_tracking(False)
            sys.set_asyncgen_hooks(*hooks)

    def stop_after(self, _: object) -> None:
        """Stop; as the callback of a future."""
        self.stop()

    def close(self) -> None:
        """Close the loop; its queue takes nothing more."""
        if self.is_closed():
            return
        if "_selector" in self.__dict__:
            super().close()
        else:
            asyncio.BaseEventLoop.close(self)
        for kept in (self.ordering, self.agenda, self.due, self.stepped_threads):
            kept.clear()
        self._push = _refuse_push
        # Nothing that refers to the loop is left in it: it goes as soon as it is let go, and not to the collector.
        del self._for_library, cast(Any, self).create_future


def _refuse_push(entry: object) -> None:
    raise RuntimeError("Event loop is closed")
