"""The way out of a process that no command sees: it must not pass for a result."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from faultloop.cli.codes import CANNOT_TELL


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
