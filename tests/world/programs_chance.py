"""Code that took its clocks and its chance by name, before any run."""

import asyncio
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from os import urandom
from random import Random, choice, random, shuffle
from time import monotonic, sleep, time


async def everything() -> list[object]:
    """Ask all of them twice, with a second of virtual time between, and let one decide how long to wait."""
    said: list[object] = []
    for _ in range(2):
        order = list(range(10))
        shuffle(order)
        said += [random(), choice("abcdefgh"), order, Random().random(), urandom(8), secrets.token_hex(8)]
        said += [uuid.uuid1(), uuid.uuid4(), time(), monotonic(), datetime.now(), datetime.today()]
        await asyncio.sleep(1 + random())
    return said


async def blocking() -> float:
    """A call that blocks, in the loop's own thread."""
    sleep(3)  # noqa: ASYNC251  # on purpose
    return monotonic()


class Timed:
    """A clock as an attribute, and one as a static method."""

    clock = monotonic
    static = staticmethod(monotonic)


@dataclass
class Stamped:
    """A clock as the factory of a default."""

    at: float = field(default_factory=monotonic)


def wait_until(clock: Callable[[], float] = monotonic) -> float:
    """A clock as a default."""
    return clock()


def and_now(*, clock: Callable[[], float] = monotonic) -> float:
    """A clock as a keyword's default."""
    return clock()


def _closing(clock: Callable[[], float]) -> Callable[[], float]:
    def closed() -> float:
        return clock()

    return closed


closed = _closing(monotonic)


async def copies() -> list[float]:
    """What each of them says, four seconds into the run."""
    await asyncio.sleep(4)
    return [
        Timed().clock(),  # type: ignore[misc]
        Timed.static(),
        Stamped().at,
        wait_until(),
        and_now(),
        closed(),
    ]
