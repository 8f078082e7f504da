"""Doing something to a module as soon as it is imported, which may well be in the middle of a run."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

Patch = Callable[[ModuleType], None]

_waiting: dict[str, list[Patch]] = {}


def when_imported(name: str, patch: Patch) -> None:
    """Apply a patch to a module, now if it is imported, else right after it is."""
    module = sys.modules.get(name)
    if module is not None:
        patch(module)
        return
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    _waiting.setdefault(name, []).append(patch)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds what is waited for the ordinary way, and has it patched once it is loaded."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Nothing but what is waited for."""
        if fullname not in _waiting:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return None
        loader: Any = spec.loader
        original = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            original(module)
            for patch in _waiting.pop(fullname, ()):
                patch(module)

        loader.exec_module = exec_module
        return spec
