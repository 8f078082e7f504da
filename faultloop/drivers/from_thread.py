"""What a thread's job asks of its loop, where the job runs on the loop's own thread.

A function is called there and then. A coroutine function would be waited for by the job, and the job by the loop: that
is refused by name.
"""

from __future__ import annotations

import functools
from _thread import get_ident
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from types import ModuleType
from typing import Any, NoReturn

from faultloop.drivers.boundary import declare
from faultloop.drivers.imports import when_imported
from faultloop.errors import EscapeRefused

Home = Callable[[], AbstractContextManager[None]]
"""Makes the thread the loop's again, for as long as it is entered."""

_homes: dict[int, Home] = {}
"""By thread, that of the loop whose job runs there."""
_MODULES = ("anyio.from_thread", "trio.from_thread")

declare("anyio.from_thread.run_sync, trio.from_thread.run_sync", "inline", "of an inline job: called there and then")
declare("anyio.from_thread.run, trio.from_thread.run of an inline job", "refused", "FL308", 'threads="real"')


@functools.cache
def install() -> None:
    """Have both libraries ask here first."""
    for name in _MODULES:
        when_imported(name, _patch)


@contextmanager
def job_of(home: Home) -> Generator[None, None, None]:
    """A job runs on this thread, which is a loop's."""
    with _set(home):
        yield


@contextmanager
def _set(home: Home | None) -> Generator[None, None, None]:
    thread = get_ident()
    before = _homes.pop(thread, None)
    if home is not None:
        _homes[thread] = home
    try:
        yield
    finally:
        _homes.pop(thread, None)
        if before is not None:
            _homes[thread] = before


def _patch(module: ModuleType) -> None:
    for name, instead in (("run_sync", _run_sync), ("run", _run), ("check_cancelled", _check_cancelled)):
        if hasattr(module, name):
            setattr(module, name, _asking_here(getattr(module, name), instead))


def _asking_here(original: Callable[..., Any], instead: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def ask(*args: Any, **about: Any) -> Any:
        home = _homes.get(get_ident())
        return original(*args, **about) if home is None else instead(home, *args)

    return ask


def _run_sync(home: Home, function: Callable[..., Any], *args: Any) -> Any:
    with _set(None), home():
        return function(*args)


def _run(_: Home, function: Callable[..., Any], *args: Any) -> NoReturn:
    name = getattr(function, "__qualname__", type(function).__name__)
    raise EscapeRefused(
        f"a thread's job runs inline and wants the loop to run {name} meanwhile: each would wait for the other. "
        'Run with threads="real"',
        code="FL308",
    )


def _check_cancelled(_: Home) -> None:
    """What runs at one step cannot be cancelled within."""
