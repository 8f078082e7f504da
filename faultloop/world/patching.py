"""Putting replacements in the place of functions of the standard library, and the originals back.

A replacement stands only while somebody keeps it there (a run, or an exploration around its runs), everywhere at once:
in its own module, and wherever a module that is loaded has a copy (see `copies`).
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from faultloop.world.copies import Place, places_in
from faultloop.world.source import SPARED, is_below


@dataclass(frozen=True, slots=True)
class Patch:
    """One function and what takes its place. owner: the module or class that has it by this name."""

    owner: ModuleType | type
    name: str
    replacement: Any

    @property
    def original(self) -> Any:
        """What stands there before anything is installed."""
        return vars(self.owner)[self.name]


class Patches:
    """A set of patches that are installed together. Where no run is, a replacement does what the original does."""

    def __init__(self, patches: Iterable[Patch]) -> None:
        self._lock = threading.Lock()
        self._keepers = 0
        self._places: list[Place] = []
        self._known: dict[int, tuple[Any, Any]] = {}
        """Original and replacement, by the id of either: both are kept here, so ids stay theirs."""
        self._seen: dict[str, int] = {}
        self._modules = 0
        for patch in patches:
            pair = (patch.original, patch.replacement)
            if isinstance(patch.owner, type):
                self._places.append(Place(patch.owner, patch.name, *pair))
            else:
                self._known |= {id(one): pair for one in pair}

    @property
    def are_installed(self) -> bool:
        """Whether they stand in their places now."""
        return self._keepers > 0

    def __enter__(self) -> None:
        """Keep the replacements in their places until we leave, as long as others keep them there, or both."""
        with self._lock:
            self._keepers += 1
            if self._keepers == 1:
                self._look_for_copies()
                for place in self._places:
                    place.put(place.within, instead_of=place.outside)

    def __exit__(self, *_: object) -> None:
        """Let go; the last one to do so puts the originals back."""
        with self._lock:
            self._keepers -= 1
            if not self._keepers:
                self._look_for_copies()  # modules loaded meanwhile have copied replacements
                for place in self._places:
                    place.put(place.outside, instead_of=place.within)

    def _look_for_copies(self) -> None:
        """Look through the modules that were loaded since the last time."""
        if len(sys.modules) == self._modules:
            return
        self._modules, seen = len(sys.modules), self._seen
        for name, module in list(sys.modules.items()):
            # What takes the place of a module in sys.modules may be anything, and may load others when it is asked.
            if seen.get(name) == id(module) or is_below(name, SPARED) or type(module) is not ModuleType:
                continue
            seen[name] = id(module)
            self._places.extend(places_in(module, self._known))
