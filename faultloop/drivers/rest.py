"""Whether the threads beside a loop have come to rest, as the kernel sees them.

On Linux exactly: a thread rests when it sleeps in the kernel and was not woken between two looks; it rests for good
when what it sleeps in is a lock without a timeout, which only another thread of this process can open. Elsewhere nobody
can tell, and callers wait for as long as they give a thread.
"""

from __future__ import annotations

import os
import platform
import threading
import time
from collections.abc import Callable, Iterable

_TASKS = "/proc/self/task"
_FUTEX = {"x86_64": "202", "aarch64": "98"}.get(platform.machine(), "")
"""The number of the system call in which CPython's locks wait."""
_NO_TIMEOUT = "0x0"
_BETWEEN_LOOKS = 0.0003
LAST_ANSWER_SECONDS = 2.0
"""Real time that is given to threads which sleep, and will wake, when there is nothing else to wait for."""
_SLEEPING = "S"

Look = list[tuple[int, str]]
"""Of each thread its number, its state's letter, and how often it was put aside."""


def look_at(threads: Iterable[threading.Thread]) -> Look:
    """What the kernel says of threads now."""
    return [_state(thread) for thread in threads]


def all_rest(before: Look | None, now: Look) -> bool:
    """Whether all sleep, and have slept since the look before."""
    return now == before and all(state.startswith(_SLEEPING) for _, state in now)


def rest_for_good(threads: Iterable[threading.Thread]) -> bool:
    """Whether none of these goes on by itself, and nothing else computes in this process for one that waits for it."""
    try:
        return all(_waits_for_a_lock(thread) for thread in threads) and not _others_compute()
    except OSError:
        return False


def may_wake(threads: list[threading.Thread]) -> bool:
    """Whether one of these goes on by itself, however long it sleeps. Of none, none does, whatever else computes."""
    if not threads:
        return False
    if not rest_for_good(threads):
        return True
    time.sleep(_BETWEEN_LOOKS)  # one may be between two locks
    return not rest_for_good(threads)


def _waits_for_a_lock(thread: threading.Thread) -> bool:
    if not thread.is_alive():
        return True
    if not _FUTEX or thread.native_id is None:
        return False
    try:
        with open(f"{_TASKS}/{thread.native_id}/syscall", encoding="ascii") as file:
            words = file.read().split()
    except FileNotFoundError:  # it has ended, or this is another system
        return os.path.exists(_TASKS)
    return len(words) > 4 and words[0] == _FUTEX and words[4] == _NO_TIMEOUT


def _others_compute() -> bool:
    """Threads of C code, which Python does not list, may compute what a thread waits for."""
    me = str(threading.get_native_id())
    for number in os.listdir(_TASKS):
        if number != me:
            try:
                with open(f"{_TASKS}/{number}/stat", encoding="utf-8", errors="replace") as file:
                    state = file.read().rpartition(")")[2].split()[0]
            except OSError:
                continue  # it has ended
            if state != _SLEEPING:
                return True
    return False


def cannot_tell(threads: Iterable[threading.Thread], name_of: Callable[[threading.Thread], str], advice: str) -> str:
    """What is said where a thread has used that time up: whether it is a deadlock, nobody knows."""
    left = list(threads)
    names = {name_of(thread) for thread in left if not rest_for_good([thread])} or set(map(name_of, left))
    return (
        f"over limit: no task can run and no timer is pending, and for {LAST_ANSWER_SECONDS:g} s of real time a thread "
        f"that may still answer has not ({', '.join(sorted(names))}){advice}"
    )


def _state(thread: threading.Thread) -> tuple[int, str]:
    number = thread.native_id or 0
    try:
        with open(f"{_TASKS}/{number}/status", encoding="ascii") as file:
            text = file.read()
    except OSError:
        return number, _SLEEPING if not thread.is_alive() else "?"
    return number, text[text.index("State:") + 7] + text[text.index("voluntary_ctxt_switches") :]
