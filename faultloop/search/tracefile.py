"""Trace files: read with distrust, written so that a crash never leaves half of one.

Rule 1: whatever is wrong with a file, the caller gets one TraceError with one sentence, and nothing was executed.
Rule 2: what a replay stands on (faults, choices) is never dropped; events are, when a file would grow too big.
Rule 3: a file is plain JSON with one event and one pick to a line, so that two of them can be compared with diff.

It knows nothing of runs: what a trace means is `faultloop.model.trace`, what it is good for `faultloop.search.replay`.
"""

from __future__ import annotations

import codecs
import inspect
import os
import stat
from collections.abc import Iterable
from itertools import count
from pathlib import Path
from typing import cast

import msgspec

from faultloop.errors import TraceError
from faultloop.model.trace import FORMAT, VERSION, Trace
from faultloop.search.tracecheck import complaints

READ_BYTES_MAX = 64 * 1024 * 1024
WRITTEN_BYTES_MAX = 16 * 1024 * 1024
EVENTS_KEPT_HEAD = 1_000
EVENTS_KEPT_TAIL = 20_000
_VERSION_SHOWN_MAX = 9_999

NOT_A_TRACE = "FL101"
NEWER_VERSION = "FL102"
CUT_OFF = "FL103"
UNREADABLE = "FL107"
TOO_BIG = "FL108"
WRONG_CONTENT = "FL109"
UNWRITABLE = "FL110"

# What a person wants to see first stands first; what can be long stands last, one item to a line.
_KEYS: tuple[str, ...] = (
    *(
        "format",
        "version",
        "faultloop",
        "env",
        "target",
        "seed",
        "order",
        "hold",
        "checks",
        "threads",
        "world",
        "limits",
        "faults",
        "delivered",
    ),
    *("outcome", "stats", "digest", "choices", "tasks", "sites", "events"),
)
_LISTS = frozenset({"faults", "delivered", "tasks", "sites", "events"})

_decoder = msgspec.json.Decoder(Trace)
_attempts = count()


class _Head(msgspec.Struct, frozen=True):
    """The two keys that say whose file it is."""

    format: object = None
    version: object = None


# Reading


def load_trace(path: str | os.PathLike[str]) -> Trace:
    """Read a trace file.

    At most 64 MiB are read, and only of a regular file. Raises TraceError, whose code says what is wrong: FL101 not a
    trace, FL102 of a newer version, FL103 cut off, FL107 not readable, FL108 too big or too deep, FL109 wrong inside.
    """
    name = os.fspath(path)
    data = _read(name)
    if not data.strip():
        raise TraceError(f"{name}: not a faultloop trace: it is empty.", code=NOT_A_TRACE)
    return decode_trace(data, name=name)


def decode_trace(data: bytes, *, name: str = "trace") -> Trace:
    """Read a trace from bytes. name: what a complaint calls it. Raises TraceError like `load_trace`."""
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        trace = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _diagnosis(data, name, error) from error
    if trace.version > VERSION:
        raise _newer(name, trace.version)
    for complaint in complaints(trace):
        raise TraceError(f"{name}: {complaint}.", code=WRONG_CONTENT)
    return trace


def newest_trace(directory: str | os.PathLike[str]) -> Path:
    """The trace file in a directory that was written last. Raises TraceError (FL107) when there is none."""
    folder = Path(directory)
    try:
        found = [(entry.stat().st_mtime_ns, entry.name) for entry in os.scandir(folder) if _looks_like_trace(entry)]
    except (OSError, ValueError):
        found = []
    if not found:
        raise TraceError(
            f"{folder}: there is no trace to replay. Name a file, or make one: python -m faultloop explore TARGET",
            code=UNREADABLE,
        )
    return folder / max(found)[1]


def _looks_like_trace(entry: os.DirEntry[str]) -> bool:
    if not (entry.name.endswith(".json") and entry.is_file()):
        return False
    try:
        with open(entry.path, "rb") as file:
            return FORMAT.encode() in file.read(256)
    except OSError:
        return False


def _read(name: str) -> bytes:
    try:
        # Not blocking: a named pipe would hold us up before fstat can say what it is.
        descriptor = os.open(name, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        raise TraceError(f"{name}: there is no such file.", code=UNREADABLE) from None
    except (OSError, ValueError) as error:
        raise TraceError(f"{name!r}: cannot be read: {_reason(error)}.", code=UNREADABLE) from error
    try:
        return _read_regular(descriptor, name)
    except OSError as error:
        raise TraceError(f"{name}: cannot be read: {_reason(error)}.", code=UNREADABLE) from error
    finally:
        os.close(descriptor)


def _read_regular(descriptor: int, name: str) -> bytes:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        what = "a directory, not a trace file" if stat.S_ISDIR(status.st_mode) else "not a regular file"
        raise TraceError(f"{name}: is {what}.", code=UNREADABLE)
    if status.st_size > READ_BYTES_MAX:
        raise _too_big(name, status.st_size)
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        data = file.read(READ_BYTES_MAX + 1)
    if len(data) > READ_BYTES_MAX:
        raise _too_big(name, len(data))
    return data


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _too_big(name: str, size: int) -> TraceError:
    return TraceError(
        f"{name}: {size:,} bytes is more than a trace can be ({READ_BYTES_MAX:,}); it was not read.", code=TOO_BIG
    )


def _newer(name: str, version: int) -> TraceError:
    shown = version if version <= _VERSION_SHOWN_MAX else "in the far future"
    return TraceError(
        f"{name}: was written as trace version {shown}; this faultloop reads 1 to {VERSION}. "
        "Upgrade: pip install -U faultloop",
        code=NEWER_VERSION,
    )


def _diagnosis(data: bytes, name: str, error: Exception) -> TraceError:
    """Say what is wrong with bytes that are no trace: text first, then JSON, then whose file, then which field."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as broken:
        if broken.end != len(data) or broken.reason != "unexpected end of data":
            return TraceError(f"{name}: not a faultloop trace: byte {broken.start} is not UTF-8.", code=NOT_A_TRACE)
        return _cut_off(name, len(data))
    try:
        head = msgspec.json.decode(data, type=_Head)
    except RecursionError:
        return TraceError(f"{name}: is nested too deeply to be a trace.", code=TOO_BIG)
    except msgspec.ValidationError:
        return TraceError(f"{name}: not a faultloop trace: it is not a JSON object.", code=NOT_A_TRACE)
    except msgspec.DecodeError as broken:
        if "truncated" in str(broken):
            return _cut_off(name, len(data))
        reason = str(broken).removeprefix("JSON is malformed: ")
        return TraceError(f"{name}: not a faultloop trace: it is not JSON: {reason}.", code=NOT_A_TRACE)
    if head.format != FORMAT:
        said = '"format" is missing' if head.format is None else f'"format" is not "{FORMAT}"'
        return TraceError(f"{name}: not a faultloop trace: {said}.", code=NOT_A_TRACE)
    if isinstance(head.version, int) and head.version > VERSION:
        return _newer(name, head.version)
    what, _, where = str(error).partition(" - at `$")
    field = where.rstrip("`").lstrip(".")
    return TraceError(f"{name}: {field + ': ' if field else ''}{what[:300]}.", code=WRONG_CONTENT)


def _cut_off(name: str, size: int) -> TraceError:
    return TraceError(
        f"{name}: is cut off at byte {size} (was the run killed?). It cannot be replayed; record it again.",
        code=CUT_OFF,
    )


# Writing


def save_trace(trace: Trace, path: str | os.PathLike[str]) -> Trace:
    """Write a trace file: all of it, or nothing.

    Past 16 MiB, events from the middle are left out and counted in `stats.events_dropped`. Returns the trace as it was
    written. Raises TraceError: FL110 it cannot be written, FL108 even without events nobody could read it.
    """
    name = os.fspath(path)
    written, data = _encode_within_limit(trace, name)
    write_atomically(name, data)
    return written


def encode_trace(trace: Trace) -> bytes:
    """The bytes of a trace file: UTF-8, keys always in the same order, a newline at the end."""
    parts = [
        f'"{key}": '.encode() + _encode_value(trace, key) for key in _KEYS if key != "seed" or trace.seed is not None
    ]
    return b"{\n" + b",\n".join(parts) + b"\n}\n"


def _encode_value(trace: Trace, key: str) -> bytes:
    value: object = getattr(trace, key)
    if key in _LISTS:
        return _lines("[", cast("Iterable[object]", value), "]")
    if key == "choices" and trace.choices.picks:
        rest = msgspec.json.encode(msgspec.structs.replace(trace.choices, count=0, picks=()))
        more = "]}" if rest == b"{}" else f"],\n{rest.decode()[1:]}"
        return _lines(f'{{"count": {trace.choices.count}, "picks": [', trace.choices.picks, more)
    return msgspec.json.encode(value)


def _lines(before: str, items: Iterable[object], after: str) -> bytes:
    encoded = b",\n".join([msgspec.json.encode(item) for item in items])
    return before.encode() + (b"\n" + encoded + b"\n" if encoded else b"") + after.encode()


def _encode_within_limit(trace: Trace, name: str) -> tuple[Trace, bytes]:
    try:
        data = encode_trace(trace)
        for keep_tail in (EVENTS_KEPT_TAIL, 0):
            if len(data) <= WRITTEN_BYTES_MAX:
                break
            trace = _without_middle(trace, keep_tail)
            data = encode_trace(trace)
    except UnicodeEncodeError as error:
        raise TraceError(f"{name}: cannot be written: a name in the run is not Unicode.", code=UNWRITABLE) from error
    if len(data) > READ_BYTES_MAX:
        raise TraceError(f"{name}: {len(data):,} bytes without its events: nobody could read it.", code=TOO_BIG)
    return trace, data


def _without_middle(trace: Trace, tail: int) -> Trace:
    events = trace.events
    head = min(EVENTS_KEPT_HEAD, tail)
    kept = events[:head] + events[len(events) - tail :] if len(events) > head + tail else events
    dropped = trace.stats.events_dropped + len(events) - len(kept)
    return msgspec.structs.replace(
        trace, events=kept, stats=msgspec.structs.replace(trace.stats, events_dropped=dropped)
    )


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file so that a reader finds the old content or the new one. Raises TraceError (FL110)."""
    try:
        _replace(os.fspath(path), data)
    except (OSError, ValueError) as error:
        raise TraceError(f"{os.fspath(path)}: cannot be written: {_reason(error)}.", code=UNWRITABLE) from error


def require_folder(path: str | os.PathLike[str]) -> None:
    """Complain now, not after a long search, of a file that will have no folder. Raises TraceError (FL110)."""
    name = os.fspath(path)
    if "\0" in name or not os.path.isdir(os.path.dirname(name) or "."):
        raise TraceError(f"{name!r}: cannot be written: No such file or directory.", code=UNWRITABLE)


def _replace(name: str, data: bytes) -> None:
    """Put data where the name points, so that a reader sees the old file or the new one, also after a power cut."""
    target = os.path.realpath(name)
    if os.path.exists(target) and not os.path.isfile(target):
        # A device or a pipe has no half-written state to hide, and renaming over it would take it away.
        Path(target).write_bytes(data)
        return
    folder, base = os.path.split(target)
    temporary = os.path.join(folder, f".{base[:100]}.{os.getpid()}-{next(_attempts)}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    if hasattr(os, "O_DIRECTORY"):
        listing = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(listing)
        finally:
            os.close(listing)


def trace_schema() -> dict[str, object]:
    """The JSON Schema of a trace file, generated from the types."""
    schema = cast("dict[str, dict[str, object]]", msgspec.json.schema(Trace))
    for definition in cast("dict[str, dict[str, object]]", schema["$defs"]).values():
        if isinstance(text := definition.get("description"), str):
            # Python 3.13 takes the indentation out of docstrings, older ones leave it in.
            definition["description"] = inspect.cleandoc(text)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "faultloop trace, version 1", **schema}
