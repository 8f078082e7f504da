"""What a handler takes and returns: which parameter is the Context, and how the others are checked and decoded."""

from __future__ import annotations

import functools
import inspect
import itertools
import sys
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

from aqueue.codec import checksum, decode_call, decode_value, is_decodable
from aqueue.context import Context
from aqueue.errors import BadArguments, BadHandler, UndecodablePayload

__all__ = ["HandlerSignature", "inspect_handler"]

# Types of arguments with which nothing can be wrong where the handler takes these, after a way through JSON.
_CERTAIN: Final[Mapping[Any, frozenset[type]]] = {
    bool: frozenset({bool}),
    int: frozenset({int}),
    float: frozenset({float, int}),
    str: frozenset({str}),
    type(None): frozenset({type(None)}),
}
_OPTIONS: Final = frozenset({"delay", "key", "unique", "deadline", "priority", "headers", "tx"})
"""What Task.options takes, which is easily typed in the call of enqueue."""


@dataclass(frozen=True, slots=True)
class HandlerSignature:
    """A handler's parameters without its Context. hints: only those that msgspec can decode into.

    positional_hints: of the parameters that may be given by position, in order.   positional_types: the types that are
    certain to fit each, None for all.   positional_min: how many positional arguments make a call that needs no names.
    """

    parameters: inspect.Signature
    hints: Mapping[str, Any]
    context_name: str | None
    is_context_first: bool
    positional_hints: tuple[Any, ...]
    positional_types: tuple[frozenset[type] | None, ...]
    positional_min: int

    def check(self, task: str, args: tuple[object, ...], kwargs: Mapping[str, object]) -> bool:
        """Raise BadArguments unless the handler can be called so.

        Returns whether the types are certain to fit too; else check_types tells, from what was written.
        """
        if self._is_plain(args, kwargs):
            for value, types in zip(args, self.positional_types, strict=False):
                if types is not None and type(value) not in types:
                    return False
            return True
        try:
            self.parameters.bind(*args, **kwargs)
        except TypeError as error:
            meant = sorted(_OPTIONS & (kwargs.keys() - self.parameters.parameters.keys()))
            raise BadArguments(
                f"the arguments of task {task!r} do not fit: {error}",
                expected=f"{task}{self.parameters}",
                # A handler may have parameters of these names, so enqueue leaves them all to it (ADR 100).
                advice=f"options of a job have a call of their own: {task}.options({meant[0]}=...).enqueue(...)"
                if meant
                else "call enqueue as you would call the handler, without its Context",
            ) from error
        return False

    def check_types(self, task: str, payload: bytes) -> None:
        """Raise BadArguments unless what was written comes back as what the handler takes, as in a worker."""
        try:
            self.decode(*decode_call(payload, checksum(payload)), None)
        except UndecodablePayload as error:
            raise BadArguments(
                f"the arguments of task {task!r} do not fit: {error.__cause__ or error}",
                expected=f"{task}{self.parameters}",
                advice="correct the value, or the handler's type hint; nothing was enqueued",
            ) from error

    def decode(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any], context: Context | None
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Turn plain JSON values into the handler's types and add its Context. Raises UndecodablePayload.

        context: may be None for a handler that takes none.
        """
        if self._is_plain(args, kwargs):
            decoded = [
                value if hint is Any or type(value) is hint else decode_value(value, hint)
                for value, hint in zip(args, self.positional_hints, strict=False)
            ]
            return self._with_context(tuple(decoded), {}, context)
        try:
            bound = self.parameters.bind(*args, **kwargs)
        except TypeError as error:
            raise UndecodablePayload(
                f"the stored arguments do not fit the handler: {error}",
                expected=str(self.parameters),
                advice="deploy a handler that takes them, then redrive the job",
            ) from error
        for name, value in bound.arguments.items():
            bound.arguments[name] = self._decoded(name, value)
        return self._with_context(bound.args, dict(bound.kwargs), context)

    def _is_plain(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> bool:
        """Whether the call fits without a doubt: so many arguments by position, and no names."""
        return not kwargs and self.positional_min <= len(args) <= len(self.positional_hints)

    def _with_context(
        self, called_with: tuple[Any, ...], named: dict[str, Any], context: Context | None
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if self.context_name is not None and self.is_context_first:
            called_with = (context, *called_with)
        elif self.context_name is not None:
            named[self.context_name] = context
        return called_with, named

    def decode_result(self, value: object) -> Any:
        """Turn a plain JSON value into the type the handler returns."""
        return decode_value(value, self.hints.get("return", Any))

    def _decoded(self, name: str, value: Any) -> Any:
        hint = self.hints.get(name, Any)
        kind = self.parameters.parameters[name].kind
        if kind is inspect.Parameter.VAR_POSITIONAL:
            return tuple(decode_value(each, hint) for each in value)
        if kind is inspect.Parameter.VAR_KEYWORD:
            return {key: decode_value(each, hint) for key, each in value.items()}
        return decode_value(value, hint)


def inspect_handler(handler: Callable[..., Coroutine[Any, Any, object]]) -> HandlerSignature:
    """Read the signature of a handler. Raises BadHandler unless it is an async function."""
    if not inspect.iscoroutinefunction(inspect.unwrap(handler)):
        raise BadHandler(
            f"{getattr(handler, '__qualname__', handler)!s} is not an async function",
            expected="a function made with `async def`",
            advice="make it async, and call blocking code with anyio.to_thread.run_sync",
        )
    signature = inspect.signature(handler)
    hints = _hints(handler)
    names = [name for name, parameter in signature.parameters.items() if _is_context(hints.get(name), parameter)]
    if len(names) > 1:
        raise BadHandler(
            f"{handler.__qualname__} has {len(names)} parameters of type Context",
            expected="one at most",
            advice="remove the others",
        )
    name = names[0] if names else None
    others = [parameter for parameter in signature.parameters.values() if parameter.name != name]
    first = next(iter(signature.parameters.values()), None)
    is_positional = first is not None and first.kind is not inspect.Parameter.KEYWORD_ONLY
    hints = {key: hint for key, hint in hints.items() if key != name and is_decodable(hint)}
    by_position = [p for p in others if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    required = [p.kind for p in others if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    needs_names = inspect.Parameter.KEYWORD_ONLY in required
    positional = tuple(hints.get(p.name, Any) for p in by_position)
    return HandlerSignature(
        parameters=signature.replace(parameters=others),
        hints=hints,
        positional_hints=positional,
        positional_types=tuple(None if hint is Any else _certain_types(hint) for hint in positional),
        positional_min=sys.maxsize if needs_names else len(required),
        context_name=name,
        is_context_first=is_positional and first is not None and first.name == name,
    )


def _certain_types(hint: Any) -> frozenset[type]:
    """Of a union those of its members, if each has some: what fits one of several others is for msgspec to tell."""
    members = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    if all(isinstance(each, type) and each in _CERTAIN for each in members):
        return frozenset(itertools.chain.from_iterable(_CERTAIN[each] for each in members))
    return frozenset()


def _hints(handler: Callable[..., object]) -> dict[str, Any]:
    inner = inspect.unwrap(handler)
    try:
        return get_type_hints(inner.func if isinstance(inner, functools.partial) else inner)
    except (NameError, AttributeError, TypeError):
        # A name that exists for the type checker only: such a handler gets plain JSON values.
        return {}


def _is_context(hint: Any, parameter: inspect.Parameter) -> bool:
    written: Any = parameter.annotation
    return hint is Context or (isinstance(written, str) and written.split(".")[-1] == "Context")
