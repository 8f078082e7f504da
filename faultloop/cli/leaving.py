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

PATIENCE_SECONDS: Final = 1.0
"""Of real time: how long threads are given to end by themselves."""


def leave(code: int) -> NoReturn:
    """End with an exit code, at the latest once threads of the program have had their time."""
    if _left():
        threading.Thread(target=_give_up, args=(code,), daemon=True).start()
    sys.exit(code)


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
        os._exit(code)
