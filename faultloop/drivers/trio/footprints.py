"""What a step touches of trio's own primitives, which anyio's are made of on trio."""

from __future__ import annotations

import functools
from typing import Any

import trio

from faultloop.drivers import anyio_footprints
from faultloop.drivers.anyio_footprints import Method, wrap

_LOCK: tuple[Method, ...] = (("acquire_nowait", True), ("release", True), ("locked", False), ("statistics", False))
_CHANNEL: tuple[Method, ...] = (("close", True), ("clone", True), ("statistics", False))
_PRIMITIVES: tuple[tuple[Any, tuple[Method, ...], tuple[str, ...], tuple[str, ...]], ...] = (
    (trio.Event, (("set", True), ("is_set", False), ("statistics", False)), ("wait",), ()),
    (trio.Lock, _LOCK, ("acquire",), ()),
    (trio.StrictFIFOLock, _LOCK, ("acquire",), ()),
    (trio.Semaphore, (("acquire_nowait", True), ("release", True), ("statistics", False)), ("acquire",), ("value",)),
    (
        trio.CapacityLimiter,
        (("acquire_on_behalf_of_nowait", True), ("release_on_behalf_of", True), ("statistics", False)),
        ("acquire_on_behalf_of",),
        ("total_tokens", "borrowed_tokens", "available_tokens"),
    ),
    (
        trio.Condition,
        (
            ("acquire_nowait", True),
            ("release", True),
            ("notify", True),
            ("notify_all", True),
            ("locked", False),
            ("statistics", False),
        ),
        ("acquire", "wait"),
        (),
    ),
    (trio.MemorySendChannel, (("send_nowait", True), *_CHANNEL), ("send",), ()),
    (trio.MemoryReceiveChannel, (("receive_nowait", True), *_CHANNEL), ("receive",), ()),
)
"""Class, methods that are called and whether they write, methods that are awaited, properties."""


@functools.cache
def install() -> None:
    """Have trio's primitives, and anyio's, report themselves in every recording from now on."""
    anyio_footprints.install()
    for kind, called, awaited, properties in _PRIMITIVES:
        wrap(kind, called, awaited, properties)
