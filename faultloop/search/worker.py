"""The life of a worker: one process that prepares a duty and does units until nobody needs it any more.

Rule 1: it ends with the process that started it, even in the midst of a unit. Nobody is left behind.
Rule 2: Ctrl-C is for the process that started it, which decides what is kept. A worker takes no notice.
Rule 3: standard output belongs to whoever started the search; what a program prints here goes to standard error.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from typing import Any

from faultloop.search.crew import Duty, Said, attempt, refusal

LOOK_SECONDS = 1.0
"""How often a worker looks whether its parent is alive, where no closing pipe tells it (see `_end_with_parent`)."""
ORPHANED = 3
"""The exit code of a worker whose parent has died."""


def work(orders: Connection, inherited: Iterable[Connection], duty: Duty[Any, Any, Any]) -> None:
    """Prepare the duty, then answer each unit that comes, in order, until there are no more.

    inherited: open here only because the process was forked; other workers wait for them to close.
    """
    for other in inherited:
        other.close()
    _take_no_signals()
    sys.stdout = sys.stderr
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    try:
        do = duty.prepare(duty.argument)
    except BaseException as error:
        _say(orders, refusal(error))
        return
    _say(orders, (Said.READY, None))
    _answer_all(orders, do)


def _answer_all(orders: Connection, do: Callable[[Any], Any]) -> None:
    while True:
        try:
            unit = orders.recv_bytes()
        except (EOFError, OSError):
            return
        if not (_say(orders, (Said.BEGUN, None)) and _say(orders, attempt(lambda data: do(pickle.loads(data)), unit))):
            return


def _say(orders: Connection, answer: tuple[Said, object]) -> bool:
    """Send an answer. Returns whether anybody is there to hear it."""
    try:
        data = pickle.dumps(answer)
    except Exception as error:
        data = pickle.dumps((Said.FAILED, f"the result cannot be pickled: {type(error).__name__}: {error}"))
    try:
        orders.send_bytes(data)
    except OSError:
        return False
    return True


def _take_no_signals() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A fork inherits what its parent does on being asked to end, and whom it wakes.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


@contextmanager
def interrupts_held() -> Generator[None]:
    """While a worker is started: a Ctrl-C waits, here until it has started, in the worker until it takes no notice."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with_parent(parent: int) -> None:
    """End this process when its parent has ended. Runs in a thread, asleep.

    The closing of the parent's pipe tells at once, unless another child of the parent has inherited that pipe: so the
    parent's number is looked at as well.
    """
    process = multiprocessing.parent_process()
    assert process is not None, "a worker is started by multiprocessing"
    while not wait([process.sentinel], timeout=LOOK_SECONDS) and os.getppid() == parent:
        pass
    os._exit(ORPHANED)
