"""Where a function is kept besides its own module: by name in other modules, in classes, as defaults, in closures.

`from time import monotonic` · `clock = staticmethod(monotonic)` · `def wait(clock=time.monotonic)` ·
`field(default_factory=time.time)`. What an object keeps for itself is not looked for.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import CellType, FunctionType, ModuleType
from typing import Any, cast

_IMMUTABLE = 1 << 8
"""Py_TPFLAGS_IMMUTABLETYPE."""
_DEPTH = 4
"""How many functions are followed that are wrapped in one another."""

Holder = dict[str, Any] | type | FunctionType | CellType


@dataclass(frozen=True, slots=True)
class Place:
    """One place, and what stands there outside a run and within. key: a name, or the number of a default."""

    holder: Holder
    key: str | int
    outside: Any
    within: Any

    def put(self, value: Any, *, instead_of: Any) -> None:
        """Change what stands here, unless it is something else by now."""
        holder, key = self.holder, self.key
        if isinstance(holder, dict):
            if holder.get(str(key)) is instead_of:
                holder[str(key)] = value
        elif isinstance(holder, CellType):
            if _content(holder) is instead_of:
                holder.cell_contents = value
        elif isinstance(holder, type):
            if vars(holder).get(str(key)) is instead_of:
                set_in_class(holder, str(key), value)
        else:
            given: list[Any] = list(holder.__defaults__ or ())
            if isinstance(key, int) and key < len(given) and given[key] is instead_of:
                given[key] = value
                holder.__defaults__ = tuple(given)  # pyright: ignore[reportAttributeAccessIssue]


Known = Mapping[int, tuple[Any, Any]]
"""By the id of an object: what stands in its place outside a run, and within."""


def places_in(module: ModuleType, known: Known) -> Iterator[Place]:
    """The places in a module, its functions and its classes."""
    namespace: dict[str, Any] = vars(module)
    for key, value in list(namespace.items()):
        if (pair := known.get(id(value))) is not None:
            yield Place(namespace, key, *pair)
        # Only of what is known to be tame: an object of some other kind may do anything when it is asked for something.
        elif isinstance(value, FunctionType | type) and value.__module__ == module.__name__:
            yield from _within(value, known, _DEPTH)


def _within(value: Any, known: Known, depth: int) -> Iterator[Place]:
    if isinstance(value, type):
        if depth == _DEPTH:  # a class within a class or a closure is another's business
            yield from _in_class(value, known)
        return
    function: Any = value
    if isinstance(value, staticmethod | classmethod):
        function = cast(Any, value).__func__
    elif isinstance(value, property):
        function = value.fget
    if not isinstance(function, FunctionType) or not depth:
        return
    for number, default in enumerate(function.__defaults__ or ()):
        if (pair := known.get(id(default))) is not None:
            yield Place(function, number, *pair)
    keywords: dict[str, Any] = function.__kwdefaults__ or {}
    for key, default in keywords.items():
        if (pair := known.get(id(default))) is not None:
            yield Place(keywords, key, *pair)
    for cell in function.__closure__ or ():
        content = _content(cell)
        if (pair := known.get(id(content))) is not None:
            yield Place(cell, "", *pair)
        elif isinstance(content, FunctionType):
            yield from _within(content, known, depth - 1)


def _in_class(owner: type, known: Known) -> Iterator[Place]:
    for key, value in list(vars(owner).items()):
        if (pair := known.get(id(value))) is not None:
            yield Place(owner, key, *pair)
        elif isinstance(value, staticmethod) and (pair := known.get(id(value.__func__))) is not None:
            yield Place(owner, key, value, staticmethod(pair[1]))
        else:
            yield from _within(value, known, _DEPTH - 1)


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None


def set_in_class(owner: type, name: str, value: Any) -> None:
    """Set an attribute of a class, also of one written in C, whose namespace Python shows as read-only."""
    if owner.__flags__ & _IMMUTABLE:
        namespace = gc.get_referents(vars(owner))[0]
        namespace[name] = value
        ctypes.pythonapi.PyType_Modified(ctypes.py_object(owner))
    else:
        setattr(owner, name, value)
