"""Which files the rules are asked about: all that git tracks or would track.

In an archive of the sources there is no git: there they are all files but those that `.gitignore` names.
"""

import os
import subprocess
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from tests.tidy.rules import Module

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("faultloop", "aqueue", "failure_modes")


@cache
def files() -> tuple[str, ...]:
    """Paths relative to the root, sorted; ignored files are not among them, deleted ones neither."""
    listed = git_lists(ROOT) if (ROOT / ".git").exists() else walk(ROOT)
    return tuple(sorted(path for path in listed if (ROOT / path).is_file()))


def git_lists(root: Path) -> set[str]:
    """What git tracks and would track, with forward slashes."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return {path for path in listed.split("\0") if path}


def walk(root: Path) -> Iterator[str]:
    """All files below a folder but those that its `.gitignore` names. Raises ValueError for what is not read there."""
    lines = (root / ".gitignore").read_text(encoding="utf-8").splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    if unknown := [pattern for pattern in patterns if "/" in pattern.strip("/") or pattern.startswith("!")]:
        raise ValueError(f"only names and patterns of names are known here, not {unknown}")

    def is_ignored(place: Path, *, is_folder: bool) -> bool:
        return any(
            fnmatchcase(place.name, pattern.strip("/"))
            for pattern in patterns
            if (is_folder or not pattern.endswith("/")) and (place.parent == root or not pattern.startswith("/"))
        )

    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not is_ignored(Path(folder, name), is_folder=True)]
        places = (Path(folder, name) for name in names)
        yield from (place.relative_to(root).as_posix() for place in places if not is_ignored(place, is_folder=False))


def texts() -> list[str]:
    """All files that are text."""
    return [path for path in files() if b"\0" not in (ROOT / path).read_bytes()[:8192]]


def sources(*folders: str) -> list[str]:
    """The Python files below the named folders."""
    return [path for path in files() if path.endswith(".py") and path.split("/")[0] in folders]


@cache
def module(path: str) -> Module:
    """The parsed module at a path relative to the root."""
    return Module.read(ROOT, path)


def text(path: str) -> str:
    """What stands in a text file of the project."""
    return (ROOT / path).read_text(encoding="utf-8")


def complaints(rule: Callable[[Module], list[str]], paths: list[str]) -> list[str]:
    """What a rule says of the modules at these paths, one after the other."""
    return [found for path in paths for found in rule(module(path))]
