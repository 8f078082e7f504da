"""Threads that a process does not wait for at its end.

Python waits for every thread that is not a daemon. One that waits for what nobody does, as in a deadlock that was just
reported, would keep the process from ending. It is given a moment, named, and then treated as the daemon it has become.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Final, cast

PATIENCE_SECONDS: Final = 1.0
"""Of real time: how long threads are given to end by themselves."""
NAMES_MAX: Final = 5
_let_go_of: set[threading.Thread] = set()


def part_at_exit(threads: Callable[[], Iterable[threading.Thread]]) -> None:
    """Do not wait for these at the process's end, once they have had their time. threads: asked then."""
    private: Any = threading
    private._register_atexit(_part, threads)


def that_hold_up() -> list[threading.Thread]:
    """All that Python would wait for."""
    main = threading.main_thread()
    return [thread for thread in threading.enumerate() if thread is not main and not thread.daemon]


def _part(threads: Callable[[], Iterable[threading.Thread]]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    left: set[threading.Thread] = set()
    for thread in threads():
        thread.join(max(0.0, deadline - time.monotonic()))
        if thread.is_alive():
            left.add(thread)
    if left:
        _let_go(left)
        names = sorted(thread.name for thread in left)
        more = f" and {len(names) - NAMES_MAX} more" if len(names) > NAMES_MAX else ""
        sys.stderr.write(f"faultloop: threads of the program had not ended: {', '.join(names[:NAMES_MAX])}{more}.\n")


def _let_go(left: set[threading.Thread]) -> None:
    """Take them from the lists of what is waited for: `threading`'s, and that of executors."""
    private: Any = threading
    executors: Any = sys.modules.get("concurrent.futures.thread")
    locks: set[Any] | None = getattr(private, "_shutdown_locks", None)
    for thread in cast("set[Any]", left):
        if locks is not None:
            locks.discard(thread._tstate_lock)
        if executors is not None:
            executors._threads_queues.pop(thread, None)
    if locks is None:  # from CPython 3.13 on the list is the interpreter's own, and cannot be changed
        _let_go_of.update(left)
        private._thread_shutdown = _wait_for_the_others


def _wait_for_the_others() -> None:
    while others := [thread for thread in that_hold_up() if thread not in _let_go_of]:
        others[0].join()
