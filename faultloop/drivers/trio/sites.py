"""The names of trio's tasks, and where they wait, in the words that both drivers have in common."""

from __future__ import annotations

import re
from typing import Any

from faultloop.drivers.frames import ChainTable, SiteTable
from faultloop.engine.paths import bare_function

_ADDRESS = re.compile(r"0x[0-9a-fA-F]+")
"""What trio calls a task whose function has no name: no two runs would agree on it."""


class _Suspended:
    """A trio task as the tables of sites look at tasks."""

    __slots__ = ("_coroutine",)

    _fut_waiter = None

    def __init__(self, coroutine: Any) -> None:
        self._coroutine = coroutine

    def get_coro(self) -> Any:
        """What is suspended."""
        return self._coroutine


def site_number(sites: SiteTable | ChainTable, task: Any) -> int:
    """The number of the site a suspended task waits at."""
    return sites.number(_Suspended(task.coro))


def coroutine_label(task: Any) -> str:
    """The bare name of a task's coroutine."""
    coroutine = task.coro
    return bare_function(getattr(coroutine, "__qualname__", None) or type(coroutine).__name__)


def given_name(task: Any) -> str:
    """What the program, or anyio, called a task; empty if trio took the name from the function."""
    qualname = getattr(task.coro, "__qualname__", "")
    is_made_up = f".{task.name}".endswith(f".{qualname}") or _ADDRESS.search(task.name) is not None
    return "" if is_made_up else str(task.name)
