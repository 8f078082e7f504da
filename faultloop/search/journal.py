"""A file of results that only grows, so that a search that was interrupted, however, goes on where it was.

One JSON value per line: first whose journal it is, then an entry for each unit that is finished. What the entries mean
is the business of whoever writes them.

Rule 1: a line counts when its newline is there. What was being written when the process was killed is taken off again.
Rule 2: a file that is no journal is never written to, and the journal of another search is not gone on with.
Rule 3: each line is with the system when `write` returns. It outlives this process, not a power cut.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from io import FileIO
from typing import Generic, Self, TypeVar

import msgspec

from faultloop.errors import JournalError
from faultloop.search.loaded import changed_in_words

T = TypeVar("T")

FORMAT = "faultloop-journal"
VERSION = 1

OTHER_SEARCH = "FL111"
NOT_A_JOURNAL = "FL112"
DAMAGED = "FL113"
IN_USE = "FL114"
UNUSABLE = "FL110"
_SHOWN_MAX = 60
_ANEW = "Begin it anew by not resuming, or name another file."

Identity = Mapping[str, str | int | float | bool | None]


class _Head(msgspec.Struct, frozen=True):
    format: str
    version: int
    identity: dict[str, str | int | float | bool | None]
    sources: dict[str, str] = {}


class _Entry(msgspec.Struct, frozen=True):
    key: str
    value: msgspec.Raw


class Journal(Generic[T]):
    """An open journal. Made by `open_journal`; closed by `close`, or as a context manager.

    entries: what it held when it was opened, in the order of writing; of two with one key the later one.
    """

    def __init__(self, file: FileIO, name: str, entries: dict[str, T]) -> None:
        self.entries = entries
        self.name = name
        self._file = file

    def write(self, key: str, value: T) -> None:
        """Add an entry. Raises JournalError (FL110), and then the file is as it was before."""
        self._add(msgspec.json.encode({"key": key, "value": value}))

    def begin(self, head: _Head) -> None:
        """Write the first line. Only for a file that is empty."""
        assert not self.entries
        self._add(msgspec.json.encode(head))

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _add(self, data: bytes) -> None:
        line, before = memoryview(data + b"\n"), os.fstat(self._file.fileno()).st_size
        try:
            written = 0
            while written < len(line):
                written += self._file.write(line[written:])
        except OSError as error:
            # A half line in the midst of a file could not be told from damage.
            self._file.truncate(before)
            raise _unusable(self.name, error) from error


def open_journal(
    path: str | os.PathLike[str],
    identity: Identity,
    kind: type[T],
    *,
    resume: bool,
    sources: Mapping[str, str] | None = None,
) -> Journal[T]:
    """Open a journal to write to, and read what it holds.

    identity: what must be the same for its results to be of use.   kind: of the values, as msgspec reads them.
    sources: what tells the text of each file behind the results; of a file that both know it must be the same too.
    resume: go on with what is there, if anything is; otherwise begin anew, whoever's journal it was.
    Raises JournalError: FL110 the system refuses, FL111 of another search, FL112 no journal, FL113 a line cannot be
    read, FL114 another process writes to it.
    """
    name = os.fspath(path)
    try:
        file = open(name, "ab+", buffering=0)  # noqa: SIM115  # the journal closes it
    except (OSError, ValueError) as error:
        raise _unusable(name, error) from error
    try:
        return _opened(file, name, _Head(FORMAT, VERSION, dict(identity), dict(sources or {})), kind, resume=resume)
    except OSError as error:
        file.close()
        raise _unusable(name, error) from error
    except BaseException:
        file.close()
        raise


def _opened(file: FileIO, name: str, here: _Head, kind: type[T], *, resume: bool) -> Journal[T]:
    _lock(file, name)
    file.seek(0)
    data = file.read()
    lines = _whole_lines(data)
    head = None
    if lines:
        head = _head(lines[0], name)
    elif not _begins_like_one(data):
        raise _not_a_journal(name)
    entries: dict[str, T] = {}
    if head is None or not resume:
        lines = []
    else:
        _require_version(head, name)
        _require_same(head, here, name)
        entries = _entries(lines[1:], kind, name)
    file.truncate(sum(map(len, lines)))
    journal = Journal(file, name, entries)
    if not lines:
        journal.begin(here)
    return journal


def _whole_lines(data: bytes) -> list[bytes]:
    """The lines of a file, each with its newline, without one that was cut off."""
    return [line + b"\n" for line in data.split(b"\n")[:-1]]


def _head(line: bytes, name: str) -> _Head:
    try:
        head = msgspec.json.decode(line, type=_Head)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _not_a_journal(name) from None
    if head.format != FORMAT:
        raise _not_a_journal(name)
    return head


def _require_version(head: _Head, name: str) -> None:
    if head.version != VERSION:
        raise JournalError(
            f"{name}: is a journal of version {head.version}; this faultloop writes {VERSION}. {_ANEW}",
            code=OTHER_SEARCH,
        )


def _begins_like_one(data: bytes) -> bool:
    """Whether a line that was cut off is the first one of a journal."""
    start = f'{{"format":"{FORMAT}"'.encode()
    return data.startswith(start) or start.startswith(data)


def _require_same(head: _Head, asked: _Head, name: str) -> None:
    there, here = head.identity, asked.identity
    names = [*here, *(key for key in there if key not in here)]
    changed = changed_in_words(head.sources, asked.sources)
    different = [f"since then there were changes in {changed}"] if changed else []
    different += [
        f"{key} is {_shown(there, key)} there and {_shown(here, key)} here"
        for key in names
        if key not in there or key not in here or there[key] != here[key]
    ]
    if different:
        raise JournalError(
            f"{name}: holds the results of another search: {'; '.join(different)}. {_ANEW}",
            code=OTHER_SEARCH,
        )


def _entries(lines: list[bytes], kind: type[T], name: str) -> dict[str, T]:
    decoder, entries = msgspec.json.Decoder(kind), dict[str, T]()
    for number, line in enumerate(lines, start=2):
        try:
            entry = msgspec.json.decode(line, type=_Entry)
            entries[entry.key] = decoder.decode(entry.value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise JournalError(
                f"{name}: line {number} cannot be read: {error}. Begin it anew by not resuming.", code=DAMAGED
            ) from error
    return entries


def _lock(file: FileIO, name: str) -> None:
    """Keep a second process from writing in between. The lock is this process's alone: a worker does not inherit it."""
    try:
        import fcntl
    except ImportError:
        return  # Windows, where two processes at one journal are not noticed
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise JournalError(f"{name}: another process is writing to it. Name another file.", code=IN_USE) from error


def _not_a_journal(name: str) -> JournalError:
    return JournalError(
        f"{name}: is there and is no journal, so it is left as it is. Name another file.", code=NOT_A_JOURNAL
    )


def _unusable(name: str, error: Exception) -> JournalError:
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return JournalError(f"{name!r}: cannot be used as a journal: {reason}.", code=UNUSABLE)


def _shown(identity: Identity, key: str) -> str:
    if key not in identity:
        return "missing"
    text = str(identity[key])
    return text[:_SHOWN_MAX] + "…" if len(text) > _SHOWN_MAX else text
