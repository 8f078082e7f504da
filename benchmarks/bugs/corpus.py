"""The cases as they stand in `case.toml`, and the environments that they are run in.

An environment is made once for a Python and a list of pins. It holds nothing but these and what faultloop's core needs.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CASES = HERE / "cases"
ENVIRONMENTS = ROOT / ".faultloop" / "bugs" / "environments"
CORE = "msgspec"

Side = Literal["broken", "fixed"]


class Unavailable(Exception):
    """An environment cannot be had here; the text says why."""


@dataclass(frozen=True, slots=True)
class Release:
    """One side of a case: a Python, by version, and pins for pip."""

    python: str
    pins: tuple[str, ...]

    def __str__(self) -> str:
        return ", ".join(self.pins) or f"CPython {self.python}"


@dataclass(frozen=True, slots=True)
class Case:
    """One bug.

    backend: `asyncio`, `trio`, or `anyio`, which is run on asyncio.   status: where it stands upstream.
    fixed: None where no release has it mended.
    """

    id: str
    library: str
    title: str
    url: str
    backend: str
    trigger: str
    invariant: str
    status: str
    broken: Release
    fixed: Release | None

    @property
    def scenario(self) -> Path:
        """The program."""
        return CASES / self.id / "scenario.py"

    @property
    def driver(self) -> str:
        """What it is run on."""
        return "trio" if self.backend == "trio" else "asyncio"

    def release(self, side: Side) -> Release | None:
        """The release on one side."""
        return self.broken if side == "broken" else self.fixed


def read_case(folder: Path) -> Case:
    """Read one case."""
    said = tomllib.loads((folder / "case.toml").read_text(encoding="utf-8"))
    broken = Release(said["python"], tuple(said["buggy"]))
    fixed = said["fixed"]
    mended: Release | None = None
    if isinstance(fixed, list):
        mended = Release(said.get("fixed_python", said["python"]), tuple(fixed))
    elif fixed != "unfixed":
        mended = Release(fixed, tuple(said.get("fixed_pins", [])))
    return Case(
        id=said["id"],
        library=said["library"],
        title=said["title"],
        url=said.get("upstream") or said.get("url", ""),
        backend=said.get("backend", "asyncio"),
        trigger=said["trigger"],
        invariant=said["invariant"],
        status=said.get("status", "unfixed" if mended is None else "fixed upstream"),
        broken=broken,
        fixed=mended,
    )


def all_cases() -> list[Case]:
    """All of them, by name."""
    return [read_case(folder) for folder in sorted(CASES.iterdir()) if (folder / "case.toml").is_file()]


def interpreter(version: str) -> str:
    """A Python of this version, whatever its patch release. Raises Unavailable."""
    name = "python" + ".".join(version.split(".")[:2])
    found = shutil.which(name)
    if found is None or subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode:
        raise Unavailable(f"no {name} answers here")
    return found


def environment(release: Release) -> Path:
    """The Python of an environment with these pins, built if need be. Raises Unavailable."""
    base = interpreter(release.python)
    version = subprocess.run([base, "-V"], capture_output=True, text=True, check=True).stdout.strip()
    core = _pinned(CORE)
    name = hashlib.sha256(json.dumps([version, sorted(release.pins), core]).encode()).hexdigest()[:12]
    folder = ENVIRONMENTS / name
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        _run([base, "-m", "venv", str(folder)])
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        options = [pin for pin in release.pins if pin.startswith("--")]
        pins = [pin for pin in release.pins if not pin.startswith("--")]
        if pins:
            _run([*pip, *options, *pins])
        _run([*pip, core])
        (folder / "complete").write_text(f"{version}: {', '.join(release.pins)}\n", encoding="utf-8")
    return python


def _pinned(name: str) -> str:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.partition("==")[0] == name)


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise Unavailable(f"{' '.join(command[1:4])}: {last[:300]}")
