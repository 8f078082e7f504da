"""Await coverage in a file: explorations add to it, one after another or side by side in time.

Rule 1: a file that is not such a file is named and left alone.
Rule 2: what is known of a source that has changed since is dropped when something newer is added: its lines have moved.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec

from faultloop.errors import CoverageError, TraceError
from faultloop.model.coverage import FORMAT, VERSION, Coverage, merged
from faultloop.search.tracefile import write_atomically

SOURCE_BYTES_MAX = 2_000_000


class _Head(msgspec.Struct):
    """What every such file says of itself."""

    format: Literal["faultloop-coverage"]
    version: int


def load_coverage(path: str | os.PathLike[str]) -> Coverage:
    """Read a coverage file. Raises CoverageError (FL120 not there or not readable, FL121 not such a file)."""
    try:
        text = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise CoverageError(
            f"{os.fspath(path)}: there is no await coverage to read. Make some: python -m faultloop explore TARGET"
        ) from error
    try:
        msgspec.json.decode(text, type=_Head)
        return msgspec.json.decode(text, type=Coverage)
    except (msgspec.DecodeError, RecursionError) as error:
        raise CoverageError(
            f"{os.fspath(path)}: not a file of {FORMAT}, version {VERSION} or lower ({error}). "
            "Move it away, or name another one with --data",
            code="FL121",
        ) from error


def add_coverage(path: str | os.PathLike[str], coverage: Coverage) -> Coverage:
    """Add to a coverage file, made if it is not there; return the whole. Raises CoverageError (FL121), TraceError."""
    with _alone(path):
        whole = merged(load_coverage(path), coverage) if os.path.exists(path) else coverage
        write_atomically(os.fspath(path), msgspec.json.encode(whole) + b"\n")
    return whole


@contextmanager
def _alone(path: str | os.PathLike[str]) -> Generator[None]:
    """Within, no other process adds to this file, where the system has locks for that."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    try:
        lock = open(f"{os.fspath(path)}.lock", "ab")  # noqa: SIM115 - closed below, which unlocks it
    except OSError as error:
        raise TraceError(f"{os.fspath(path)}: cannot be written: {error}.", code="FL110") from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def source_marks(files: Iterable[str], root: Path) -> dict[str, str]:
    """What tells the present text of each of these files, as far as they are the project's own."""
    marks: dict[str, str] = {}
    for file in sorted(files):
        text = source_text(root, file)
        if text is not None:
            marks[file] = hashlib.sha256(text.encode()).hexdigest()[:16]
    return marks


def source_text(root: Path, file: str) -> str | None:
    """A source file of the project by the name that traces give it; None for any other, or one that is not there."""
    if not file.endswith(".py") or "\0" in file:
        return None
    try:
        place = (root / file).resolve()
        if not place.is_relative_to(root.resolve()) or place.stat().st_size > SOURCE_BYTES_MAX:
            return None
        return place.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None
