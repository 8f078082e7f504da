"""Chance and time in a run's hands, for as long as it lasts.

What is replaced, and by what, is said where it is done (`clocks`, `chance`); when it is put in place, in `patching`.
"""

from __future__ import annotations

import functools
from _thread import get_ident
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from types import ModuleType
from typing import TYPE_CHECKING, Any

from faultloop.drivers.boundary import declare
from faultloop.drivers.imports import when_imported
from faultloop.errors import EscapeRefused
from faultloop.model.entropy import Entropy
from faultloop.world import chance, clocks, sqlite_files
from faultloop.world.patching import Patches
from faultloop.world.source import Source, sources

if TYPE_CHECKING:
    from faultloop.drivers.timekeeper import Timekeeper


@functools.cache
def patches() -> Patches:
    """All replacements, made once per process."""
    when_imported("time_machine", _refuse_travel)
    return Patches([*clocks.patches(), *chance.patches(), *sqlite_files.patches()])


declare("time_machine.travel within a run", "refused", "FL307", 'world.node(name).jump, or entropy="real"')


def _refuse_travel(module: ModuleType) -> None:
    """Keep time-machine from starting while our clocks stand in their places.

    It changes functions of C where it finds them, and takes ours for such; releases before 3 crash the process by that.
    """
    travel: Any = module.travel
    original = travel.start

    @functools.wraps(original)
    def start(self: Any) -> Any:
        if patches().are_installed:
            raise EscapeRefused(
                "time_machine.travel was started within a run, whose clocks are virtual already: "
                'set one with world.node(name).jump(seconds), or run with entropy="real"',
                code="FL307",
            )
        return original(self)

    travel.start = start


def kept(entropy: Entropy) -> AbstractContextManager[None]:
    """Keep the replacements in place from run to run: putting them there for each takes a quarter of a small run."""
    return nullcontext() if entropy.source == "real" else patches()


def around(entropy: Entropy) -> Callable[[Timekeeper], AbstractContextManager[None]]:
    """What a run of this entropy happens within."""
    if entropy.source == "real":
        return _nothing
    return functools.partial(_Within, entropy, patches())


def _nothing(_: Timekeeper) -> AbstractContextManager[None]:
    return nullcontext()


class _Within:
    """A run's hold on chance and time in its thread; a run around it gets its own back. Entered anew, it goes on."""

    __slots__ = ("_me", "_outer", "_patches", "_source")

    _me: int
    _outer: Source | None

    def __init__(self, entropy: Entropy, patches: Patches, loop: Timekeeper) -> None:
        self._patches = patches
        self._source = Source(loop, entropy)

    def __enter__(self) -> None:
        self._me = get_ident()
        self._outer = sources.get(self._me)
        self._patches.__enter__()
        sources[self._me] = self._source

    def __exit__(self, *_: object) -> None:
        if self._outer is None:
            del sources[self._me]
        else:
            sources[self._me] = self._outer
        self._patches.__exit__()
