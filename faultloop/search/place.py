"""Where the source of a target lies, found without importing anything.

A target is `path/to/file.py:function` or `package.module:function`; paths are relative to the project root. A target
that came out of a trace is *confined*: a trace is data from anywhere, so it may name only what lies under the root.

Rule 1: nothing is imported and no parent package is asked: modules are looked for as files under root and root/src.
Rule 2: confined means after resolving links: a place counts as what it is, not as what it is called.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from faultloop.errors import ImportRefused, TargetError

_PYTESTS_MARKS = ("pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini", "tox.ini")
"""A trace of a test names it from the root that pytest found."""
ROOT_MARKS = ("pyproject.toml", ".git", "setup.cfg", *_PYTESTS_MARKS)
_SHOWN_MAX = 200


@dataclass(frozen=True, slots=True)
class Place:
    """A source file and how to import it.

    file: absolute, links resolved.   module: dotted name.   base: the folder in which that name begins.
    function: the name after the colon.
    """

    file: Path
    module: str
    base: Path
    function: str


def find_root(start: str | os.PathLike[str]) -> Path:
    """The project around a folder: the nearest one upwards with one of ROOT_MARKS; else the folder."""
    folder = Path(os.path.realpath(start))
    return next((up for up in (folder, *folder.parents) if is_root(up)), folder)


def is_root(folder: Path) -> bool:
    """Whether something marks a folder as the root of a project."""
    return any((folder / mark).exists() for mark in ROOT_MARKS)


def shown(text: str) -> str:
    """A name as it can stand in a message, whatever a file put into it."""
    cut = text[:_SHOWN_MAX] + ("…" if len(text) > _SHOWN_MAX else "")
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in cut)


def split_ref(ref: str) -> tuple[str, str]:
    """The source and the function of a target. Raises TargetError when there are not two of them."""
    file, _, test = ref.partition("::")
    if file.endswith(".py") and ("::" in test or "[" in test):
        raise TargetError(f'"{shown(ref)}" is a test, whose object and parameters pytest makes. {under_pytest(ref)}')
    source, _, function = ref.replace("::", ":").rpartition(":")
    if function.endswith("()") and function[:-2].isidentifier():
        raise TargetError(f'"{shown(ref)}": name the function, do not call it: {function[:-2]}, not {function}.')
    if source and "." in function and all(part.isidentifier() for part in function.split(".")):
        owner, _, method = function.rpartition(".")
        raise TargetError(
            f'"{shown(ref)}": {shown(method)} is inside {shown(owner)}, and a scenario is a function of its file. '
            f"Write an async function there that makes what it needs and awaits {shown(method)}."
        )
    if not source or not function.isidentifier():
        raise TargetError(f'"{shown(ref)}" is not a target. Write path/to/file.py:function or package.module:function.')
    return source, function


def under_pytest(node: str) -> str:
    """What to type for a test, named by its node id."""
    return f"Explore it there: pytest --faultloop=explore {shlex.quote(shown(node))}"


def is_file_source(source: str) -> bool:
    """Whether the part before the colon is a path, rather than a module's dotted name."""
    return source.endswith(".py") or "/" in source or os.sep in source


def locate(ref: str, *, root: Path, confined: bool) -> Place | None:
    """The place of a target, or None for a module that is not under the root and may be looked for elsewhere.

    Raises TargetError if there is no such file, ImportRefused if it is confined and not under the root.
    """
    source, function = split_ref(ref)
    root = Path(os.path.realpath(root))
    if not is_file_source(source):
        return _locate_module(ref, source, function, root, confined)
    if confined:
        _refuse_unusual_path(ref, source, root)
    if "\0" in source:
        raise TargetError(f'"{shown(ref)}": a path cannot hold a NUL.')
    given = root / source
    if confined and not _is_inside(given, root):
        raise _refused(ref, root)
    if not os.path.isfile(given):
        what = (
            f"{shown(source)} is a directory, not a file"
            if os.path.isdir(given)
            else f"there is no such file in {root}"
        )
        raise TargetError(f'"{shown(ref)}": {what}.')
    if given.suffix != ".py":
        raise TargetError(f'"{shown(ref)}": {shown(source)} is not a Python file (its name does not end in .py).')
    return _place_of_file(Path(os.path.realpath(given)), function, root)


def _place_of_file(file: Path, function: str, root: Path) -> Place:
    """As `python file.py` would see it, but inside its package where it has one under the root."""
    package: list[str] = []
    base = file.parent
    while base != root and base.is_relative_to(root) and base.name.isidentifier() and (base / "__init__.py").is_file():
        package.insert(0, base.name)
        base = base.parent
    if file.name == "__init__.py" and package:
        return Place(file, ".".join(package), base, function)
    stem = file.stem if file.stem.isidentifier() else re.sub(r"\W", "_", file.stem)
    return Place(file, ".".join((*package, stem)), base, function)


def _locate_module(ref: str, module: str, function: str, root: Path, confined: bool) -> Place | None:
    parts = module.split(".")
    if not all(part.isidentifier() for part in parts):
        raise TargetError(f'"{shown(ref)}": "{shown(module)}" is neither a file nor the name of a module.')
    for base in (root, root / "src"):
        for file in (base.joinpath(*parts).with_suffix(".py"), base.joinpath(*parts, "__init__.py")):
            if os.path.isfile(file):
                chain = [file, *package_files(Place(file, module, base, function))]
                if confined and not all(_is_inside(each, root) for each in chain):
                    raise _refused(ref, root)
                return Place(Path(os.path.realpath(file)), module, base, function)
    if confined:
        raise _refused(ref, root)
    return None


def package_files(place: Place) -> Iterator[Path]:
    """The `__init__.py` of each package around a place, outermost first; where there is none, the folder."""
    folder = place.base
    for part in place.module.split(".")[:-1]:
        folder = folder / part
        yield folder / "__init__.py" if (folder / "__init__.py").is_file() else folder


def _refuse_unusual_path(ref: str, source: str, root: Path) -> None:
    """Refuse a path by its looks, before the file system is asked about it."""
    parts = PurePosixPath(source).parts
    foreign = {"..", "site-packages"} & set(parts) or any(part.startswith(".") and part != "." for part in parts)
    windows = PureWindowsPath(source)
    if foreign or source.startswith(("/", "~")) or "\\" in source or "\0" in source or windows.drive or windows.root:
        raise _refused(ref, root)


def _is_inside(path: Path, root: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(root)


def _refused(ref: str, root: Path) -> ImportRefused:
    return ImportRefused(
        f'the trace names "{shown(ref)}", which is not under {root}: nothing was imported. '
        "Name its project with --root, or, if you trust the file: --allow-import"
    )


def relative_ref(ref: str, *, cwd: Path, root: Path) -> str:
    """A target as a person in `cwd` wrote it, as it stands in a trace: its path relative to the root.

    A module found as a file under `cwd` but not from the root becomes a path, for its name means nothing elsewhere.
    """
    if ":" not in ref and ref.endswith(".py"):
        # Not a target yet: but of a file that is there, `load_target` can list the functions.
        return relative_ref(ref + ":_", cwd=cwd, root=root).removesuffix(":_")
    source, function = split_ref(ref)
    cwd, root = Path(os.path.realpath(cwd)), Path(os.path.realpath(root))
    if not is_file_source(source):
        if not all(part.isidentifier() for part in source.split(".")) or locate(ref, root=root, confined=False):
            return ref
        here = locate(ref, root=cwd, confined=False)
        return ref if here is None else relative_ref(f"{here.file}:{function}", cwd=cwd, root=root)
    if "\0" in source:
        return ref
    file = cwd / source
    # The folder's links are resolved, the file's own name stays: it is what the person calls it.
    file = Path(os.path.realpath(file.parent), file.name)
    return f"{file.relative_to(root).as_posix() if file.is_relative_to(root) else file}:{function}"
