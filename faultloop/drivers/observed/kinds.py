"""Which values hold others, by type, and which of their methods change them.

Rule 1: asking runs none of the user's code. So types are compared by `type()`: `isinstance` asks a proxy for its class.
"""

from __future__ import annotations

import types
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Any

type_of: Callable[[object], Any] = type
as_dict: Any = dict
as_list: Any = list
"""The same by names that checkers of types take for anything."""

PLAIN, MAPPING, SEQUENCE, OTHER = range(4)
"""PLAIN: holds nothing that could change. OTHER: a container that counts as one, whatever is in it."""

CONTAINERS = (dict, list, set, deque, bytearray)
KINDS: dict[type, int] = {dict: MAPPING, list: SEQUENCE, set: OTHER, deque: OTHER, bytearray: OTHER}
"""Of types that many values have; of others `kind_of` tells."""
for _types in (
    (int, str, float, bool, bytes, complex, tuple, frozenset, range, slice, type, types.NoneType, types.EllipsisType),
    (types.FunctionType, types.MethodType, types.BuiltinFunctionType, types.ModuleType, types.CoroutineType),
):
    KINDS.update(dict.fromkeys(_types, PLAIN))


def _methods(*kinds: type) -> set[str]:
    return {name for kind in kinds for name in dir(kind) if not name.startswith("_")}


_READING = _methods(tuple, frozenset, types.MappingProxyType) | {"copy", "elements", "fromkeys", "most_common", "total"}
METHODS = frozenset(_methods(dict, list, set, deque, defaultdict, Counter, OrderedDict)) | {
    "__delitem__",
    "__getitem__",
    "__setitem__",
}
"""Methods of the containers of the standard library."""
MUTATING = METHODS - _READING - {"__getitem__"}
"""Those that change their container."""


def kind_of(value: Any) -> int:
    """What a value holds."""
    kind = type_of(value)
    known = KINDS.get(kind)
    if known is not None:
        return known
    if not issubclass(kind, CONTAINERS):
        return PLAIN
    return MAPPING if issubclass(kind, dict) else SEQUENCE if issubclass(kind, list) else OTHER


def kind_subscripted(value: Any) -> int:
    """The same of a value that is subscripted: an array, say, counts as one, and a generic type as nothing."""
    kind = type_of(value)
    return kind_of(value) or (PLAIN if kind in KINDS or issubclass(kind, type) else OTHER)
