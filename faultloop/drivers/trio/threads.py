"""Work that `trio.to_thread` gives to threads: done at the call, or in real threads while time stands still.

inline: the job runs where it is handed over, and its result comes back through trio's own queue from threads, so the
await stays an await. The job sees no trio around it, as in a thread.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Literal

from faultloop.drivers.boundary import declare
from faultloop.drivers.trio import private

declare("trio.to_thread", "inline", "runs on the loop's thread, where it is handed over", 'threads="real"', on="trio")
declare("threading.Thread, trio.from_thread", "through", "real; what it posts is taken when it comes", on="trio")


class Jobs:
    """The thread jobs of one run.

    running: of real ones, those without a result yet.   inline: the one running now.
    slept: how long that one has blocked itself, in virtual nanoseconds.
    """

    def __init__(self, mode: Literal["inline", "real"], later: Callable[[int, Callable[[], object]], None]) -> None:
        self.running: set[object] = set()
        self.inline = ""
        self.slept = 0
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
            with private.own_context():
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
