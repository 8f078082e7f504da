"""Chance and time in a run's hands, for as long as it lasts.

What is replaced, and by what, is said where it is done (`clocks`, `chance`); when it is put in place, in `patching`.
"""

from __future__ import annotations

import functools
from _thread import get_ident
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from faultloop.model.entropy import Entropy
from faultloop.world import chance, clocks, sqlite_files
from faultloop.world.patching import Patches
from faultloop.world.source import Source, sources

if TYPE_CHECKING:
    from faultloop.drivers.asyncio_loop import Loop


@functools.cache
def patches() -> Patches:
    """All replacements, made once per process."""
    return Patches([*clocks.patches(), *chance.patches(), *sqlite_files.patches()])


def kept(entropy: Entropy) -> AbstractContextManager[None]:
    """Keep the replacements in place from run to run: putting them there for each takes a quarter of a small run."""
    return nullcontext() if entropy.source == "real" else patches()


def around(entropy: Entropy) -> Callable[[Loop], AbstractContextManager[None]]:
    """What a run of this entropy happens within."""
    if entropy.source == "real":
        return _nothing
    return functools.partial(_Within, entropy, patches())


def _nothing(_: Loop) -> AbstractContextManager[None]:
    return nullcontext()


class _Within:
    """A run's hold on chance and time in its thread; a run around it gets its own back."""

    __slots__ = ("_me", "_outer", "_patches", "_source")

    def __init__(self, entropy: Entropy, patches: Patches, loop: Loop) -> None:
        self._patches = patches
        self._source = Source(loop, entropy)
        self._me = get_ident()
        self._outer = sources.get(self._me)

    def __enter__(self) -> None:
        self._patches.__enter__()
        sources[self._me] = self._source

    def __exit__(self, *_: object) -> None:
        if self._outer is None:
            del sources[self._me]
        else:
            sources[self._me] = self._outer
        self._patches.__exit__()
