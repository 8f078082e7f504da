"""How arguments and results become bytes and come back: versioned JSON, with a checksum.

It knows msgspec and type hints, and nothing of jobs. Bytes that do not come back as written raise UndecodablePayload,
and nothing else.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec

from aqueue.errors import BadArguments, UndecodablePayload

__all__ = ["checksum", "decode_call", "decode_value", "encode_call", "encode_value", "is_decodable"]

VERSION: Final = 1


class _Call(msgspec.Struct, frozen=True):
    """The payload of a job. v: the version of this encoding."""

    v: int
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


_decoder = msgspec.json.Decoder(_Call)


def checksum(payload: bytes) -> int:
    """The CRC-32 stored beside a payload."""
    return zlib.crc32(payload)


def encode_value(value: object, *, of: str) -> bytes:
    """Write one value as JSON; `of` says in words what it is. Raises BadArguments."""
    if value is None:
        return b"null"
    try:
        encoded = msgspec.json.encode(value)
        # msgspec writes nan and infinity as null, so they would come back as None.
        if b"null" in encoded and _has_non_finite(msgspec.to_builtins(value, str_keys=True)):
            raise ValueError("nan and infinity are no JSON numbers")
        return encoded
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise BadArguments(
            f"{of} cannot be written as JSON: {error}",
            expected="numbers, strings, lists, dicts, dates, UUIDs, enums, dataclasses or msgspec.Structs",
            advice="pass an id and let the handler fetch the object, or convert the value first",
        ) from error


def encode_call(args: tuple[object, ...], kwargs: Mapping[str, object], *, task: str) -> bytes:
    """Write the arguments of a job. Raises BadArguments."""
    return encode_value(_Call(VERSION, args, dict(kwargs)), of=f"an argument of task {task!r}")


def decode_call(payload: bytes, crc: int) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Read the arguments of a job, as plain JSON values. Raises UndecodablePayload."""
    if checksum(payload) != crc:
        raise _undecodable(f"its checksum is {checksum(payload)}, and {crc} was stored")
    try:
        call = _decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _undecodable(str(error)) from error
    if call.v != VERSION:
        raise _undecodable(f"its encoding has version {call.v}, and {VERSION} is known")
    return call.args, call.kwargs


def decode_value(value: object, hint: Any) -> Any:
    """Turn a plain JSON value into what the type hint says. Raises UndecodablePayload."""
    try:
        return msgspec.convert(value, hint, str_keys=True)
    except (msgspec.ValidationError, TypeError, ValueError) as error:
        raise _undecodable(str(error)) from error


def is_decodable(hint: Any) -> bool:
    """Whether msgspec knows how to make values of this type."""
    try:
        msgspec.json.Decoder(hint)
    except (TypeError, ValueError, NameError):
        return False
    return True


def _has_non_finite(value: Any) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, dict):
        return any(_has_non_finite(each) for each in cast("dict[str, Any]", value).values())
    if isinstance(value, list | tuple):
        return any(_has_non_finite(each) for each in cast("list[Any]", value))
    return False


def _undecodable(why: str) -> UndecodablePayload:
    return UndecodablePayload(
        f"the payload cannot be read: {why}",
        expected="what encode_call wrote, for the handler as it is now",
        advice="the bytes are kept in the dead letter; deploy a handler that reads them, then redrive the job",
    )
