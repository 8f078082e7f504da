"""What observed code calls before or after it touches plain state: attributes, items, globals, closure variables.

Every function here is called from the middle of the user's code. It returns at once when nobody records, never raises
for what it is given, and runs none of the user's code: no `__hash__`, no `__eq__`, no property.

What is touched gets a name that is the same in every run where it can be: an object is its class and how many of that
class were touched before it in the run, a container is where it was first seen to hang (`Bank#1.accounts`), an item is
its container and its key. Names hold for one run; what cannot be referred to weakly (containers, cells, objects with
bare slots) lives until the run ends, so that no other object can take its place in memory.

Rule 1: a container counts as one object, read by whatever uses it and written by whatever adds, removes or moves.
Rule 2: its items count besides, where their keys are strings or integers: writing `d["a"]` does not conflict with
writing `d["b"]` once both are there.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Hashable
from types import BuiltinFunctionType, CellType, MethodType, MethodWrapperType, ModuleType
from typing import Any

from faultloop.drivers.observed.kinds import (
    KINDS,
    MAPPING,
    MUTATING,
    OTHER,
    PLAIN,
    SEQUENCE,
    as_dict,
    as_list,
    kind_of,
    kind_subscripted,
    type_of,
)
from faultloop.drivers.touches import SEEN, follow_recording, number_of

ITEMS_MAX = 64
"""Of so many items of a container each counts by itself; the others are touched as the container."""

_BOUND = frozenset((BuiltinFunctionType, MethodType, MethodWrapperType))
_KEYS = frozenset((str, int, bool))
_ADDS, _REMOVES, _LOOKS_UP = "setdefault", frozenset(("pop", "__delitem__")), frozenset(("get", "__getitem__"))

_recorder: Callable[[tuple[int, bool]], object] | None = None
_entries: dict[int, _Entry] = {}
"""By id, what was touched in this run."""
_ordinals: dict[Hashable, int] = {}


class _Entry:
    """An object of this run by its name."""

    __slots__ = ("borrowed", "held", "items", "key", "numbers", "whole")

    def __init__(self, key: tuple[Hashable, ...], held: object) -> None:
        self.key = key
        self.held = held
        self.numbers: dict[str, int] = {}
        """Of its attributes."""
        self.items: dict[Hashable, int] = {}
        self.borrowed: set[str] = set()
        """Attributes that stand in its class and not in it."""
        self.whole = 0
        """Of itself; 0 until it was touched as one."""


def _follow(recorder: Callable[[tuple[int, bool]], object] | None) -> None:
    global _recorder
    _recorder = recorder
    _entries.clear()
    _ordinals.clear()


follow_recording(_follow)


# Attributes


def attribute_read(owner: Any, name: str, value: Any) -> None:
    """An attribute was read, and this is its value."""
    if _recorder is None:
        return
    entry = _entries.get(id(owner)) or _enter(owner)
    number = entry.numbers.get(name) or _number_attribute(entry, owner, name)
    if number not in SEEN:
        SEEN[number] = False
        _recorder((number, False))
    if KINDS.get(type_of(value)) is not PLAIN:
        _reach(entry, name, value)


def attribute_held(owner: Any, name: str, value: Any) -> None:
    """An attribute that nobody rebinds was read: only what it holds may matter."""
    if _recorder is not None and kind_of(value):
        _reach(_entries.get(id(owner)) or _enter(owner), name, value)


def attribute_called(owner: Any, name: str) -> None:
    """An attribute is about to be read and called."""
    attribute_read(owner, name, None)


def attribute_written(owner: Any, name: str, value: Any) -> None:
    """An attribute is about to be set to a value, or to be deleted."""
    if _recorder is None:
        return
    entry = _entries.get(id(owner)) or _enter(owner)
    if name in entry.borrowed:
        entry.borrowed.discard(name)
        entry.numbers.pop(name, None)
    number = entry.numbers.get(name)
    if number is None:
        number = entry.numbers[name] = number_of((*entry.key, name))
    _write(number)
    if kind_of(value):
        _hang(entry, name, value)


# Variables


def variable_read(cell: CellType, name: str, value: Any) -> None:
    """A closure's variable was read."""
    if _recorder is None:
        return
    entry = _entries.get(id(cell)) or _enter_variable(cell, name)
    _read(entry.whole)
    if KINDS.get(type_of(value)) is not PLAIN:
        _reach(entry, "", value)


def variable_held(cell: CellType, name: str, value: Any) -> None:
    """A closure's variable that nobody rebinds was read: only what it holds may matter."""
    if _recorder is not None and kind_of(value):
        _reach(_entries.get(id(cell)) or _enter_variable(cell, name), "", value)


def variable_written(cell: CellType, name: str, value: Any) -> None:
    """A closure's variable is about to be set to a value, or to be deleted."""
    if _recorder is None:
        return
    entry = _entries.get(id(cell)) or _enter_variable(cell, name)
    _write(entry.whole)
    if kind_of(value):
        _hang(entry, "", value)


# Containers


def item_read(container: Any, key: Any) -> None:
    """An item is about to be read, or looked for."""
    if _recorder is None or not (kind := kind_subscripted(container)):
        return
    entry = _entries.get(id(container)) or _enter(container)
    _read_whole(entry)
    if number := _number_item(entry, kind, container, key):
        _read(number)
        if kind_of(value := _peek(kind, container, key)):
            _hang(entry, key, value)


def item_written(container: Any, key: Any) -> None:
    """An item is about to be set."""
    if _recorder is None or not (kind := kind_subscripted(container)):
        return
    entry = _entries.get(id(container)) or _enter(container)
    number = _number_item(entry, kind, container, key)
    if not number or (kind == MAPPING and not as_dict.__contains__(container, key)):
        _write_whole(entry)
    else:
        _read_whole(entry)
    if number:
        _write(number)


def item_deleted(container: Any, key: Any) -> None:
    """An item is about to be deleted."""
    if _recorder is None or not (kind := kind_subscripted(container)):
        return
    entry = _entries.get(id(container)) or _enter(container)
    _write_whole(entry)
    if number := _number_item(entry, kind, container, key):
        _write(number)


def looked_for(key: Any, container: Any) -> None:
    """Whether something is in a container is about to be asked."""
    if _recorder is None:
        return
    if kind_of(container) == MAPPING:
        item_read(container, key)
    else:
        container_read(container)


def container_read(container: Any) -> None:
    """All of a container is about to be read. Anything else may be given as well."""
    if _recorder is None or not kind_of(container):
        return
    entry = _entries.get(id(container)) or _enter(container)
    _read_whole(entry)
    for number in entry.items.values():
        _read(number)


def container_written(container: Any) -> None:
    """A container is about to be changed. Anything else may be given as well."""
    if _recorder is None or not kind_of(container):
        return
    entry = _entries.get(id(container)) or _enter(container)
    _write_whole(entry)


def method_called(container: Any, name: str, first: Any) -> None:
    """A method is about to be called, with this as its first argument; None stands for no argument."""
    if _recorder is None or not (kind := kind_of(container)):
        return
    if kind == MAPPING and type(first) in _KEYS:
        if name == _ADDS:
            (item_read if as_dict.__contains__(container, first) else item_written)(container, first)
            return
        if name in _REMOVES:
            item_deleted(container, first)
            return
        if name in _LOOKS_UP:
            item_read(container, first)
            return
    if name in MUTATING:
        container_written(container)
    else:
        container_read(container)


def bound_called(method: Any, name: str, first: Any) -> None:
    """The same, of a method that is bound. Anything else may be given as well."""
    if _recorder is not None and type(method) in _BOUND:
        method_called(method.__self__, name, first)


def iterated(iterator: Any) -> None:
    """An iterator over a container is about to be asked for its next item, maybe in another step than before."""
    if _recorder is not None:
        for container in gc.get_referents(iterator):
            container_read(container)


# Names and numbers


def _enter(value: Any) -> _Entry:
    kind = type_of(value)
    key: tuple[Hashable, ...]
    if kind is ModuleType:
        key = (value.__name__,)
    elif issubclass(kind, type):
        key = (value.__module__, value.__qualname__)
    else:
        named = (kind.__module__, kind.__qualname__)
        key = (*named, _next(named))
    return _add(value, key)


def _enter_variable(cell: CellType, name: str) -> _Entry:
    entry = _add(cell, ("", name, _next(name)))
    entry.whole = number_of(entry.key)
    return entry


def _next(named: Hashable) -> int:
    ordinal = _ordinals[named] = _ordinals.get(named, 0) + 1
    return ordinal


def _add(value: Any, key: tuple[Hashable, ...]) -> _Entry:
    place = id(value)
    try:
        held: object = weakref.ref(value, lambda _: _entries.pop(place, None))
    except TypeError:
        held = value
    entry = _entries[place] = _Entry(key, held)
    return entry


def _hang(owner: _Entry, place: Hashable, value: Any) -> _Entry:
    """The entry of a container, named by where it hangs unless it has a name."""
    return _entries.get(id(value)) or _add(value, (*owner.key, place, "[]"))


def _reach(owner: _Entry, place: Hashable, value: Any) -> None:
    """What was read is a container, maybe: then whatever is done with it reads it."""
    if kind_of(value):
        _read_whole(_hang(owner, place, value))


def _number_attribute(entry: _Entry, owner: Any, name: str) -> int:
    key = entry.key
    if (home := _class_with(owner, name)) is not None:
        entry.borrowed.add(name)
        key = (_entries.get(id(home)) or _enter(home)).key
    number = entry.numbers[name] = number_of((*key, name))
    return number


def _class_with(owner: Any, name: str) -> type | None:
    """The class that this attribute is a plain variable of, if the object has none of its own."""
    try:
        own = object.__getattribute__(owner, "__dict__")
    except AttributeError:
        return None
    if name in own:
        return None
    for home in type(owner).__mro__:
        if name in home.__dict__:
            return None if hasattr(type_of(home.__dict__[name]), "__get__") else home
    return None


def _number_item(entry: _Entry, kind: int, container: Any, key: Any) -> int:
    """0 where the item is not told apart from its container."""
    if kind == OTHER or type(key) not in _KEYS:
        return 0
    if kind == SEQUENCE:
        if type(key) is not int:
            return 0
        # Not len(): a subclass may have one of its own.
        key = key if key >= 0 else key + as_list.__len__(container)
    number = entry.items.get(key, 0)
    if not number and len(entry.items) < ITEMS_MAX:
        number = entry.items[key] = number_of((*entry.key, "[]", key))
    return number


def _peek(kind: int, container: Any, key: Any) -> Any:
    """What lies there, without asking for it as the program does: `__missing__` is the user's code."""
    if kind == MAPPING:
        return as_dict.get(container, key)
    length = as_list.__len__(container)
    return as_list.__getitem__(container, key) if -length <= key < length else None


def _read_whole(entry: _Entry) -> None:
    if not entry.whole:
        entry.whole = number_of(entry.key)
    _read(entry.whole)


def _write_whole(entry: _Entry) -> None:
    if not entry.whole:
        entry.whole = number_of(entry.key)
    _write(entry.whole)


def _read(number: int) -> None:
    if number not in SEEN and _recorder is not None:
        SEEN[number] = False
        _recorder((number, False))


def _write(number: int) -> None:
    if not SEEN.get(number) and _recorder is not None:
        SEEN[number] = True
        _recorder((number, True))
