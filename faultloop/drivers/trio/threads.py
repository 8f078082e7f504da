"""Work that `trio.to_thread` gives to threads: done at the call, or in real threads while time stands still.

inline: the job runs where it is handed over, and its result comes back through trio's own queue from threads, so the
await stays an await. The job sees no trio around it, as in a thread.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Literal

from faultloop.drivers.boundary import declare
from faultloop.drivers.from_thread import install, job_of
from faultloop.drivers.rest import LAST_ANSWER_SECONDS, cannot_tell, may_wake
from faultloop.drivers.trio import private
from faultloop.errors import OverLimit

declare("trio.to_thread", "inline", "runs on the loop's thread, where it is handed over", 'threads="real"', on="trio")
declare("threading.Thread, trio.from_thread", "through", "real; what it posts is taken when it comes", on="trio")

Poll = Callable[[float], bool]
"""Takes what has come, or waits so many seconds for it. Returns whether there was any."""
_WAIT_SECONDS = 0.005


class Jobs:
    """The thread jobs of one run.

    running: of real ones, those without a result yet.   inline: the one running now.
    slept: how long that one has blocked itself, in virtual nanoseconds.
    """

    def __init__(self, mode: Literal["inline", "real"], later: Callable[[int, Callable[[], object]], None]) -> None:
        self.running: set[object] = set()
        self.inline = ""
        self.slept = 0
        install()
        self._before = frozenset(threading.enumerate())
        self._mode = mode
        self._later = later

    def start(self, work: Callable[[], Any], deliver: Callable[[Any], object], name: str | None = None) -> None:
        """In place of the function that starts a thread."""
        if self._mode == "inline":
            self._run_inline(work, deliver, name or "a job")
            return
        job = object()
        self.running.add(job)

        def delivered(result: Any) -> object:
            try:
                return deliver(result)
            finally:
                self.running.discard(job)

        private.start_real_thread(work, delivered, name)

    def _run_inline(self, work: Callable[[], Any], deliver: Callable[[Any], object], name: str) -> None:
        self.inline = name
        sniffio: Any = sys.modules.get("sniffio")
        believed = sniffio.thread_local.name if sniffio is not None else None
        if sniffio is not None:
            sniffio.thread_local.name = None
        try:
            with private.own_context() as home, job_of(home):
                result = private.capture(work)
        finally:
            self.inline = ""
            if sniffio is not None:
                sniffio.thread_local.name = believed
        slept, self.slept = self.slept, 0
        if slept:
            self._later(slept, lambda: deliver(result))
        else:
            deliver(result)

    def wait(self, poll: Poll, wall_end: float, wall_seconds: float) -> bool:
        """Real work is under way in a thread: time stands still until it answers. Returns whether it has.

        Not for threads that all wait for one another, or for this loop: what they wait for may be a deadline.
        """
        while self.running and may_wake(_beside(self._before)):
            if time.perf_counter() > wall_end:
                raise OverLimit(f"over limit: {wall_seconds:g} s of real time, waiting for a thread")
            if poll(_WAIT_SECONDS):
                return True
        return poll(0)

    def outwait(self, poll: Poll) -> bool:
        """Nothing can run and no deadline is pending: give threads real time that wake. Whether one answered."""
        end = time.perf_counter() + LAST_ANSWER_SECONDS
        while may_wake(own := _beside(self._before)):
            if poll(_WAIT_SECONDS):
                return True
            if time.perf_counter() > end:
                raise OverLimit(cannot_tell(own, lambda thread: thread.name, ""))
        return poll(0)


def _beside(before: frozenset[threading.Thread]) -> list[threading.Thread]:
    """The threads beside this one that a run has made or uses. before: those that were there when it began."""
    me = threading.current_thread()
    states = {thread: private.worker_state(thread) for thread in threading.enumerate() if thread is not me}
    return [thread for thread, state in states.items() if state == "busy" or (not state and thread not in before)]
