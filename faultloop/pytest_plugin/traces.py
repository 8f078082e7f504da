"""Where the traces of tests are kept, what is typed to replay them, and which test a trace was recorded from."""

from __future__ import annotations

import os
import re
import warnings
import zlib
from pathlib import Path

import pytest

from faultloop.errors import FaultloopError, TraceError
from faultloop.model.coverage import Coverage
from faultloop.model.trace import Trace
from faultloop.pytest_plugin.options import complain
from faultloop.search.coverage import add_coverage
from faultloop.search.tracefile import UNWRITABLE, load_trace, save_trace

FOLDER = ".faultloop"


def trace_path(item: pytest.Item, number: int, directory: str) -> Path:
    """The file for a trace of this test. directory: where it was asked for; by default beside the project's root.

    Unlike tests never share a file, whatever is in their names, and the same test finds its own again.
    """
    folder = _folder(item, directory)
    file, _, rest = item.nodeid.partition("::")
    plain = re.sub(r"[^A-Za-z0-9_]+", "_", f"{Path(file).stem}-{rest}".replace("-", "\0")).strip("_")[:80]
    return folder / f"{plain}-{zlib.crc32(item.nodeid.encode()):08x}-{number}.trace.json"


def keep_traces(item: pytest.Item, directory: str, traces: list[Trace]) -> list[Path]:
    """Write the traces of a test's failures, and forget those of its last time."""
    paths = [trace_path(item, number, directory) for number, _ in enumerate(traces, start=1)]
    _make(_folder(item, directory), is_ours=not directory)
    for trace, path in zip(traces, paths, strict=True):
        save_trace(trace, path)
    return paths


def keep_pages(item: pytest.Item, paths: list[Path], traces: list[Trace], passing: Trace | None) -> None:
    """Write a page beside each trace. passing: the calm run, if it passed."""
    from faultloop.cli.picturing import page_of, write_page

    for trace, path in zip(traces, paths, strict=True):
        write_page(page_of(path), path, trace, passing=passing, root=item.config.rootpath)


def keep_coverage(item: pytest.Item, directory: str, coverage: Coverage) -> None:
    """Add to what is known of awaits, beside the traces. A file that cannot be added to takes nothing of the result."""
    if not coverage.points:
        return
    folder = _folder(item, directory)
    try:
        _make(folder, is_ours=not directory)
        add_coverage(folder / "coverage.json", coverage)
    except (FaultloopError, OSError) as error:
        with warnings.catch_warnings():
            warnings.simplefilter("always")  # a warning, also where those of tests are errors
            item.warn(pytest.PytestWarning(f"faultloop: {error}"))


def _folder(item: pytest.Item, directory: str) -> Path:
    return item.config.rootpath / (directory or FOLDER)


def _make(folder: Path, *, is_ours: bool) -> None:
    """Raises TraceError (FL110)."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if is_ours and not (folder / ".gitignore").exists():
            (folder / ".gitignore").write_text("*\n", encoding="utf-8")
    except OSError as error:
        raise TraceError(f"cannot make the folder for traces, {folder}: {error.strerror}", code=UNWRITABLE) from None


def require_folder(item: pytest.Item, directory: str) -> None:
    """Make the folder for traces before anything is searched. Raises UsageError (FL110) if that cannot be."""
    folder = _folder(item, directory)
    try:
        _make(folder, is_ours=not directory)
    except TraceError as error:
        raise complain(error.args[0], error.code) from None
    if not os.access(folder, os.W_OK):
        raise complain(f"cannot write traces to {folder}: nobody may write there", UNWRITABLE)


def shown(path: Path) -> str:
    """A path as it is typed here."""
    try:
        return path.relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(path)


def commands(path: Path, *, by_name: bool) -> list[tuple[str, str]]:
    """What to type after a failure."""
    name = shown(path)
    steps = [("replay", f"python -m faultloop replay {name}"), ("or", f"pytest --faultloop-trace {name}")]
    if by_name:
        steps.append(("check fix", f"python -m faultloop replay --follow faults {name}"))
    return [*steps, ("timeline", f"python -m faultloop show {name}")]


def seed_of(item: pytest.Item, seed: int | None) -> int:
    """What the search for this test draws from: the same wherever and in whichever order tests run."""
    return zlib.crc32(f"{'' if seed is None else seed} {item.nodeid}".encode())


def recorded_test(path: Path) -> str:
    """The node id of the test that a trace was recorded from. Raises UsageError."""
    try:
        ref = load_trace(path).target.ref
    except TraceError as error:
        raise pytest.UsageError(f"faultloop: {error}") from None
    if "::" not in ref:
        raise complain(
            f"{path}: recorded from {ref or 'a callable without a name'}, not from a test. "
            f"Replay it with: python -m faultloop replay {path}",
            "FL809",
        )
    return ref
