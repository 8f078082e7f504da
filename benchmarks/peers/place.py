"""Where the peers are installed: in a folder of their own that is put beside any environment.

They bring nothing else, so one folder serves all environments. Made once, from a package index; offline from then on.
"""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bugs.corpus import ENVIRONMENTS, ROOT, Release, Unavailable, environment, interpreter

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
PYTHONS = ("3.13.0", "3.12.1")
"""What the peers run on: the first that answers here."""


@dataclass(frozen=True, slots=True)
class Place:
    """A Python to run contenders on, its version, and the variables for it."""

    python: str
    version: str
    variables: Mapping[str, str]
    has_peers: bool


def place_of(*, with_peers: bool) -> Place:
    """This Python, or one with the peers. Where they cannot be had, that is said and this Python is taken."""
    here = Place(sys.executable, platform.python_version(), os.environ, has_peers=False)
    if not with_peers:
        return here
    try:
        python = environment(Release(python_of_peers(), ()))
        variables = surroundings()
    except Unavailable as error:
        print(f"without the peers: {error}")
        return here
    done = subprocess.run([str(python), "-V"], capture_output=True, text=True, check=True)
    return Place(str(python), done.stdout.split()[1], variables, has_peers=True)


def versions() -> dict[str, str]:
    """The pinned version of each."""
    lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def folder() -> Path:
    """The folder, made if need be. Raises Unavailable."""
    name = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]
    place = ENVIRONMENTS.parent / "peers" / name
    if not (place / "complete").exists():
        python = environment(Release(python_of_peers(), ()))
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        done = subprocess.run(
            [*command, "--upgrade", "--target", str(place), "-r", str(REQUIREMENTS)],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if done.returncode:
            raise Unavailable(f"the peers: {(done.stderr.strip().splitlines() or ['pip said nothing'])[-1][:300]}")
        (place / "complete").touch()
    return place


def python_of_peers() -> str:
    """The version of a Python that they run on. Raises Unavailable."""
    for version in PYTHONS:
        try:
            interpreter(version)
        except Unavailable:
            continue
        return version
    raise Unavailable("simloop and simloom need Python 3.12 or 3.13, and neither answers here")


def surroundings() -> dict[str, str]:
    """The variables under which the peers and this checkout's faultloop can be imported. Raises Unavailable."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(folder())]), "PYTHONHASHSEED": "0"}
