"""What is random, within a run: drawn from its seed."""

from __future__ import annotations

import os
import random
import types
import uuid
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from faultloop.drivers.boundary import declare
from faultloop.world.patching import Patch
from faultloop.world.source import source_here

_CHANGE = 'entropy="real", Entropy(spared=("module",))'
_UUID_EPOCH = 0x01B21DD213814000
"""1582-10-15 in units of 100 ns before 1970: RFC 9562, section 5.1."""


def _missing(*_: int) -> NoReturn:
    raise NotImplementedError("this platform has no getrandom")  # and nothing that could be replaced


class Chance:
    """What stands in the place of single functions, as bound methods (see `clocks`)."""

    def __init__(self) -> None:
        self._urandom = os.urandom
        self._getrandom: Callable[[int, int], bytes] = getattr(os, "getrandom", _missing)
        self._uuid1 = uuid.uuid1
        self._getnode = uuid.getnode

    def urandom(self, size: int, /) -> bytes:
        """Random bytes."""
        source = source_here()
        if source is None or size < 0:
            return self._urandom(size)
        return source.bits.randbytes(size)

    def getrandom(self, size: int, flags: int = 0) -> bytes:
        """Random bytes, from the kernel by another door."""
        source = source_here()
        if source is None or size < 0:
            return self._getrandom(size, flags)
        return source.bits.randbytes(size)

    def getnode(self) -> int:
        """The number of this machine; a made-up one has the multicast bit set, as RFC 9562 asks."""
        source = source_here()
        return self._getnode() if source is None else source.seed & (1 << 40) - 1 | 1 << 40

    def uuid1(self, node: int | None = None, clock_seq: int | None = None) -> uuid.UUID:
        """A UUID of host and time."""
        source = source_here()
        if source is None:
            return self._uuid1(node, clock_seq)
        source.clock_sequence = stamp = max(source.wall() // 100 + _UUID_EPOCH, source.clock_sequence + 1)
        sequence = source.bits.getrandbits(14) if clock_seq is None else clock_seq
        host = source.seed & (1 << 40) - 1 | 1 << 40 if node is None else node
        fields = (stamp & 0xFFFFFFFF, stamp >> 32 & 0xFFFF, stamp >> 48 & 0x0FFF)
        return uuid.UUID(fields=(*fields, sequence >> 8 & 0x3F, sequence & 0xFF, host), version=1)


def patches() -> Iterator[Patch]:
    """The patches of chance. Each is declared at the boundary of a run as it is made."""
    chance = Chance()
    for module, name in ((os, "urandom"), (os, "getrandom"), (uuid, "uuid1"), (uuid, "getnode")):
        if hasattr(module, name):
            yield _declared(Patch(module, name, getattr(chance, name)), f"{module.__name__}.{name}", "seeded")
    shared = random.random.__self__  # type: ignore[attr-defined]
    for name, value in list(vars(random).items()):
        if isinstance(value, types.MethodType | types.BuiltinMethodType) and value.__self__ is shared:
            replacement = types.MethodType(_drawn(name, value), chance)
            yield _declared(Patch(random, name, replacement), f"random.{name}", "seeded")
    patch = Patch(random.Random, "seed", _seed(random.Random.seed))
    yield _declared(patch, "random.Random() without a seed", "seeded by the run")
    declare("uuid.uuid4, secrets, random.SystemRandom", "controlled", "as os.urandom, which they ask", _CHANGE)
    declare(
        "ssl, hashlib, numpy.random and other C code", "through", "draws from the machine", "seed it in the scenario"
    )


def _declared(patch: Patch, api: str, how: str) -> Patch:
    declare(api, "controlled", how, _CHANGE)
    return patch


def _drawn(name: str, original: Any) -> Any:
    def drawn(_: object, *args: Any, **kwargs: Any) -> Any:
        source = source_here()
        return (original if source is None else getattr(source.random, name))(*args, **kwargs)

    drawn.__name__ = drawn.__qualname__ = name
    return drawn


def _seed(original: Any) -> Any:
    def seed(self: random.Random, a: Any = None, version: int = 2) -> None:
        """Seed from a value, or without one from the operating system; from the run's seed while one lasts."""
        if a is None and (source := source_here()) is not None:
            a = source.bits.getrandbits(256)
        original(self, a, version)

    return seed
