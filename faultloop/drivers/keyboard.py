"""An interruption from the keyboard ends what it was meant for, whatever the program makes of it.

Python raises KeyboardInterrupt in the middle of a step of the program, which may swallow it: in a group of exceptions,
in an `except BaseException`, in a cleanup that waits. So it is remembered as well, and raised when the run is over.
A program with a handler of its own for the signal keeps it, and what that makes of it.
"""

from __future__ import annotations

import signal
import threading
import warnings
from types import FrameType

_was_heard = False


def listen() -> bool:
    """Remember interruptions from now on. Returns what `stop_listening` wants.

    Whoever listens around others that do leaves it to them to raise: what was heard is handed out once.
    """
    global _was_heard
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    ):
        return False
    _was_heard = False
    signal.signal(signal.SIGINT, _on_interrupt)
    return True


def stop_listening(is_own: bool) -> bool:
    """Leave the signal as it was found. Returns whether there was an interruption, for the caller to raise."""
    global _was_heard
    was_heard, _was_heard = _was_heard, False
    if is_own and signal.getsignal(signal.SIGINT) is _on_interrupt:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return was_heard


def let_exit_codes_count() -> None:
    """After an interruption, let the process end with its exit code, and not by the signal.

    CPython ends it by the signal, whatever its exit code, where the last string that it was given to execute was
    interrupted: dataclasses give it many while a program is imported. So it is given one more.
    """
    exec("")


def _on_interrupt(number: int, frame: FrameType | None) -> None:
    global _was_heard
    _was_heard = True
    # What it hits between making a coroutine and awaiting it is no mistake of anybody.
    warnings.filterwarnings("ignore", r"coroutine '.*' was never awaited", RuntimeWarning)
    signal.default_int_handler(number, frame)
