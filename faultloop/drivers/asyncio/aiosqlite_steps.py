"""aiosqlite without its thread: what a connection's worker would do is run inline, at steps of its own.

aiosqlite keeps a thread for each connection, which takes `(future, function)` from a queue, one after the other. Within
an inline run that queue is one of ours, and the thread is never started. Watching it instead is exact as well, on
Linux, but costs a hundred times as much (benchmarks/threads.py).

A statement that finds the database locked would wait for SQLite's busy timeout inside of SQLite, and so would the
connection that it waits for. It waits in virtual time here, by SQLite's own table of delays.
"""

from __future__ import annotations

import functools
import sqlite3
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

Item = tuple[Any, Callable[[], Any]]


def step_aiosqlite(module: ModuleType) -> None:
    """Let connections that are made in an inline run do without a thread."""
    connection: Any = module.Connection
    original = connection.__init__

    @functools.wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        if (life := LIFE.get()) is not None:  # who collects it must not find it open, and complain
            life.at_end.append(functools.partial(setattr, self, "_connection", None))
        loop: Any = events._get_running_loop()
        if getattr(loop, "thread_mode", "real") != "inline":
            return
        self._tx = _Steps(loop)
        if hasattr(self, "_thread"):
            self._thread = _NoThread()
        else:  # until 0.22 a connection was a thread itself
            self.start = _NoThread().start

    connection.__init__ = __init__


class _NoThread:
    """Stands for the thread."""

    name = "aiosqlite, inline"

    def start(self) -> None:
        """There is nothing to start."""

    def is_alive(self) -> bool:
        """Never: nobody has to wait for it."""
        return False

    def join(self, timeout: float | None = None) -> None:
        """There is nothing to wait for."""


class _Steps:
    """As much of a queue as aiosqlite uses: what is put into it is run, in its order, a step for each."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._items: deque[Item] = deque()
        self._connection: sqlite3.Connection | None = None
        self._busy_ms = 0
        self._waited_ms = 0
        self._tries = 0

    def put_nowait(self, item: Item) -> None:
        """Run this after all that came before."""
        if self._loop.is_closed():  # a connection that was left open is closed by whoever collects it
            item[1]()
            return
        self._items.append(item)
        if len(self._items) == 1:
            self._next()

    def _next(self) -> None:
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
        if self._items:
            self._next()


def _is_locked(error: BaseException | None) -> bool:
    """Whether waiting may help. A snapshot that is too old (SQLITE_BUSY_SNAPSHOT) stays so."""
    return isinstance(error, sqlite3.OperationalError) and getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_BUSY
