"""What a scenario may say of its world: names, times and sizes that can be. Anything else is a UsageError (FL533)."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Coroutine
from typing import Any

from faultloop.errors import UsageError
from faultloop.model.faults import NANOSECONDS
from faultloop.world.hosts import WILDCARDS, canonical, is_loopback

_CODE = "FL533"


def number(what: str, value: object, *, above: float = -math.inf, least: float = -math.inf) -> float:
    """A finite number above one and not below another. what: whose it is, for people."""
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        if value > above and value >= least:
            return value
        bound = f"above {above:g}" if above >= least else f"at least {least:g}"
        raise UsageError(f"{what} is {bound}, not {value:g}", code=_CODE)
    raise UsageError(f"{what} is a number, not {value!r}", code=_CODE)


def nanoseconds(what: str, seconds: object, *, least: float = 0.0) -> int:
    """A time, from seconds."""
    return round(number(what, seconds, least=least) * NANOSECONDS)


def name(what: str, value: object) -> str:
    """A name: a text that is not empty."""
    if isinstance(value, str) and value:
        return value
    raise UsageError(f"{what} is a text that is not empty, not {value!r}", code=_CODE)


def addresses_of(host: str, addresses: tuple[str, ...]) -> tuple[str, ...]:
    """The addresses of a host: those that are given, or the one that is its name."""
    is_named_for_one = _address(host) is not None
    if is_named_for_one and not addresses:
        addresses = (host,)
    found = [_address(address) for address in addresses]
    for text, address in zip(addresses, found, strict=True):
        if address is None:
            raise UsageError(f'"{text}" is no address: a host has IPv4 or IPv6 addresses', code=_CODE)
        if is_loopback(address) or address in WILDCARDS:
            raise UsageError(f"{text} is no address of one host: each host has a loopback of its own", code=_CODE)
    if is_named_for_one and _address(host) not in found:
        raise UsageError(
            f"a host called {host} has that address: name it otherwise, or leave the others out", code=_CODE
        )
    return addresses


def _address(text: object) -> str | None:
    try:
        return canonical(text) if isinstance(text, str) else None
    except ValueError:
        return None


def async_function(function: object) -> Callable[..., Any]:
    """What a node can start, and start again."""
    if callable(function):
        return function
    if inspect.iscoroutine(function):
        function.close()
        called = function.__name__
        hint = f": start({called}, …) with its arguments, not start({called}(…))"
    else:
        hint = f", not {function!r}"
    raise UsageError(f"a node is given an async function, which it calls at each restart{hint}", code=_CODE)


def coroutine_of(function: Callable[..., Any]) -> Callable[..., Coroutine[Any, Any, object]]:
    """The function, whose answer must be a coroutine."""
    if inspect.iscoroutinefunction(function):
        return function
    called = getattr(function, "__qualname__", type(function).__name__)

    def call(*args: Any) -> Coroutine[Any, Any, object]:
        made: object = function(*args)
        if inspect.iscoroutine(made):
            return made
        raise UsageError(f"a node is given an async function, and {called} is none: it returned {made!r}", code=_CODE)

    call.__qualname__ = call.__name__ = called
    return call
