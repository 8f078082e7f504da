"""What a command needs to know of the project it runs in: its root, its traces, how to name files in commands."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

from faultloop.errors import TraceError, UsageError
from faultloop.search.place import find_root, is_file_source, is_root

TRACES = ".faultloop"
_started_in: Path | None = None
"""Where the command was typed, which is where its user still is when the program went elsewhere."""


def begin_here() -> None:
    """Name files as they are typed in this folder, from now on."""
    global _started_in
    _started_in = Path.cwd()


def project_root(given: str, trace: str = "") -> Path:
    """The root that was given with --root, or that of the trace, or the one around the current directory.

    trace: the file that was named. One in a root's `.faultloop` is of that root, if the current directory is below it,
    or it is below the one around the current directory. Nothing is imported from elsewhere because a trace lies there.
    """
    if not given:
        here = Path(os.path.realpath(Path.cwd()))
        around = find_root(here)
        folder = Path(os.path.realpath(trace)).parent if trace and "\0" not in trace else around
        its_root = folder.parent
        is_near = its_root.is_relative_to(around) or here.is_relative_to(its_root)
        return its_root if folder.name == TRACES and is_near and is_root(its_root) else around
    if "\0" in given or not os.path.isdir(given):
        raise UsageError(f'--root "{given}": there is no such directory.')
    return Path(os.path.realpath(given))


def traces_folder(root: Path, given: str = "") -> Path:
    """The folder to write traces into, made if it is not there; git does not see what is in the default one."""
    folder = Path(given) if given else root / TRACES
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not given and not (folder / ".gitignore").exists():
            (folder / ".gitignore").write_text("*\n", encoding="utf-8")
    except (OSError, ValueError) as error:
        raise TraceError(f"{folder}: cannot be made: {error}.", code="FL110") from error
    return folder


def trace_name(ref: str, label: str, ending: str = ".trace.json") -> str:
    """The file name of a trace, `test_pool-test_all_done-1.trace.json`, or of something else about a scenario."""
    source, _, function = ref.replace("::", ":").rpartition(":")
    stem = Path(source).stem if is_file_source(source) else source.rpartition(".")[2]
    return "-".join(filter(None, (_plain(stem), _plain(function), label))) + ending


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.]+", "_", text)[:80]


def shown_path(path: Path) -> str:
    """A path as a person would type it here."""
    try:
        return path.relative_to(_started_in or Path.cwd()).as_posix()
    except ValueError:
        return str(path)


def command(*words: str, root: str = "") -> str:
    """A command line to paste. root: the --root that was given, which the command then needs too."""
    given = ("--root", root) if root else ()
    return shlex.join(["python", "-m", "faultloop", *words, *given])


def next_steps(path: Path, *, root: str = "", by_name: bool) -> list[tuple[str, str]]:
    """What to type after a failure whose trace is at `path`. by_name: it can be followed by name, in changed code."""
    name = shown_path(path)
    steps = [("replay", command("replay", name, root=root))]
    if by_name:
        steps.append(("check fix", command("replay", "--follow", "faults", name, root=root)))
    return [*steps, ("timeline", command("show", name))]
