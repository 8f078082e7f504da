"""aiosqlite without its thread: what a connection's worker would do is run inline, at steps of its own.

aiosqlite keeps a thread for each connection, which takes `(future, function)` from a queue, one after the other. Within
an inline run that queue is one of ours, and the thread is never started, though it is listed as if it were: a program
may look whether one is left. Watching it instead is exact as well, on
Linux, but costs a hundred times as much (benchmarks/threads.py).

A statement that finds the database locked would wait for SQLite's busy timeout inside of SQLite, and so would the
connection that it waits for. It waits in virtual time here, by SQLite's own table of delays.
"""

from __future__ import annotations

import functools
import sqlite3
import threading
import weakref
from asyncio import events
from collections import deque
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

from faultloop.drivers.asyncio import threads
from faultloop.drivers.boundary import declare
from faultloop.drivers.nodes import LIFE
from faultloop.model.faults import NANOSECONDS

if TYPE_CHECKING:
    from faultloop.drivers.asyncio.loop import Loop

declare(
    "aiosqlite",
    "inline",
    "its worker's queue is run at steps of its own",
    'threads="real" watches its thread',
    on="asyncio",
)

_DELAYS_MS = (1, 2, 5, 10, 15, 20, 25, 25, 25, 50, 50, 100)
"""How long SQLite waits for a lock the first time, the second, … (sqlite3.c, sqliteDefaultBusyCallback)."""


def step_aiosqlite(module: ModuleType) -> None:
    """Let connections that are made in an inline run do without a thread."""
    connection: Any = module.Connection
    original = connection.__init__
    last_result = getattr(module, "_STOP_RUNNING_SENTINEL", None)

    @functools.wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        life = LIFE.get()
        if life is not None:  # who collects it must not find it open, and complain
            life.at_end.append(functools.partial(setattr, self, "_connection", None))
        loop: Any = events._get_running_loop()
        if getattr(loop, "thread_mode", "real") != "inline":
            return
        self._tx = steps = _Steps(loop, last_result)
        if life is not None:
            life.at_end.append(steps.end)
        if last_result is None:  # until 0.20 a worker ended when it had nothing to do and its connection said so
            connection_of = weakref.ref(self)
            steps.is_wanted = lambda: getattr(connection_of(), "_running", False)
        _stand_in(getattr(self, "_thread", self), steps, loop)  # until 0.22 a connection was a thread itself

    connection.__init__ = __init__
    _list_stand_ins()


def _stand_in(thread: Any, steps: _Steps, loop: Loop) -> None:
    """Let a thread that never starts say what it would say if it did the steps."""
    own: Any = weakref.ref(thread)  # a connection goes when it is let go, not when it is collected

    def start() -> None:
        steps.is_started = True
        loop.stepped_threads.append(own())

    def join(timeout: float | None = None) -> None:
        del timeout  # there is nothing to wait for

    thread.start, thread.join, thread.is_alive = start, join, lambda: steps.is_alive


@functools.cache
def _list_stand_ins() -> None:
    """Have a program find in `threading` the workers of its connections, for as long as they would be there."""

    def listing(original: Callable[[], list[threading.Thread]]) -> Callable[[], list[threading.Thread]]:
        @functools.wraps(original)
        def enumerate() -> list[threading.Thread]:
            stepped: list[threading.Thread] = getattr(events._get_running_loop(), "stepped_threads", [])
            return [*original(), *(thread for thread in stepped if thread.is_alive())]

        return enumerate

    threading.enumerate = listing(threading.enumerate)
    threading.active_count = lambda: len(threading.enumerate())


class _Steps:
    """As much of a queue as aiosqlite uses: what is put into it is run, in its order, a step for each."""

    def __init__(self, loop: Loop, last_result: object) -> None:
        self._loop = loop
        self._items: deque[Any] = deque()
        self._last_result = last_result
        self.is_started = self._is_over = False
        self.is_wanted: Callable[[], bool] = lambda: True
        self._connection: sqlite3.Connection | None = None
        self._busy_ms = 0
        self._waited_ms = 0
        self._tries = 0

    @property
    def is_alive(self) -> bool:
        """Whether a thread in its place would be there."""
        is_over = self._is_over or self._loop.is_closed() or not (self._items or self.is_wanted())
        return self.is_started and not is_over

    def put_nowait(self, item: Any) -> None:
        """Run this after all that came before: `(future, function)`, or in 0.20 and 0.21 the sign to end."""
        if self._loop.is_closed():  # a connection that was left open is closed by whoever collects it
            if item is not self._last_result:
                item[1]()
            return
        self._items.append(item)
        if len(self._items) == 1 and not self._is_over:
            self._next()

    def _next(self) -> None:
        if self._items[0] is self._last_result:
            self.end()
            return
        _, function = self._items[0]
        threads.step_inline(self._loop, functools.partial(self._run, function), function, self._done)

    def _run(self, function: Callable[[], Any]) -> Any:
        connection = self._connection
        if connection is not None and threads.function_name(function) not in ("executescript", "close"):
            try:
                cursor = sqlite3.Cursor(connection)
                cursor.row_factory = None  # the program's own may make anything of a row
                (timeout,) = cursor.execute("PRAGMA busy_timeout").fetchone()
                if timeout:
                    self._busy_ms = timeout
                    cursor.execute("PRAGMA busy_timeout = 0")
            except sqlite3.Error:
                self._connection = None  # closed, or such that it cannot be asked: SQLite's own waiting will do
        result = function()
        if isinstance(result, sqlite3.Connection):
            self._connection = result
        return result

    def _done(self, result: Any, error: BaseException | None) -> None:
        if self._connection is not None and _is_locked(error) and self._waited_ms < self._busy_ms:
            delay = _DELAYS_MS[min(self._tries, len(_DELAYS_MS) - 1)]
            self._tries += 1
            self._waited_ms += delay
            self._loop.call_at((self._loop.now + delay * 1_000_000) / NANOSECONDS, self._next)
            return
        self._waited_ms = self._tries = 0
        future, _ = self._items.popleft()
        if future is not None:
            threads.answer(future, result, error)
        if result is self._last_result is not None:
            self.end()
        elif self._items:
            self._next()

    def end(self) -> None:
        """What comes now is answered by nobody, as it would not be by a thread that has ended."""
        self._is_over = True
        self._connection = None


def _is_locked(error: BaseException | None) -> bool:
    """Whether waiting may help. A snapshot that is too old (SQLITE_BUSY_SNAPSHOT) stays so."""
    return isinstance(error, sqlite3.OperationalError) and getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_BUSY
