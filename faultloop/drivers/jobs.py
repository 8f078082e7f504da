"""Where a job for a thread is called that runs on the loop's own thread.

A module of its own, because whoever calls `time.sleep` decides whether it moves the loop's clock: a thread's job may be
that very function, and what calls it is the program, though it is called here (see `faultloop.world.source`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def call(function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """Do the job."""
    return function(*args)
