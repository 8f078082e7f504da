"""Ending the process when a command is done, whatever threads the program has left in it.

Python waits at its end for every thread that is not a daemon. One that waits for what nobody does, as in a deadlock
that was just reported, would keep the command from ending.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from typing import Any, Final, NoReturn

from faultloop.cli.codes import CANNOT_TELL

_leave_at_once = os._exit
PATIENCE_SECONDS: Final = 1.0
"""Of real time: how long threads are given to end by themselves."""


def leave(code: int) -> NoReturn:
    """End with an exit code, at the latest once threads of the program have had their time."""
    if _left():
        threading.Thread(target=_give_up, args=(code,), daemon=True).start()
    sys.exit(code)


def tell_of_exits() -> None:
    """Let nobody take the program's `os._exit(0)` for «nothing found». Processes that it forks end as they want to."""
    here, leave_at_once = os.getpid(), os._exit

    def told(status: int) -> NoReturn:
        if os.getpid() != here:
            leave_at_once(status)
        print(
            f"faultloop: the program ended this process, os._exit({status}), before anything could be said. "
            "Run it in a process of its own, or let the scenario put something in its place. [FL115]",
            file=sys.stderr,
            flush=True,
        )
        leave_at_once(CANNOT_TELL)

    os._exit = told


def _left() -> list[str]:
    main = threading.main_thread()
    return sorted(thread.name for thread in threading.enumerate() if thread is not main and not thread.daemon)


def _give_up(code: int) -> None:
    time.sleep(PATIENCE_SECONDS)
    if names := _left():
        print(f"faultloop: threads of the program had not ended: {', '.join(names)}.", file=sys.stderr)
        atexit_functions: Any = atexit
        atexit_functions._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        _leave_at_once(code)
