"""Which files the rules are asked about: all that git tracks or would track."""

import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

from tests.tidy.rules import Module

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("faultloop", "aqueue", "failure_modes")


@cache
def files() -> tuple[str, ...]:
    """Paths relative to the root, sorted; ignored files are not among them, deleted ones neither."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return tuple(sorted(path for path in set(listed.split("\0")) if path and (ROOT / path).is_file()))


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
