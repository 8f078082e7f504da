"""What is built carries all that the installed packages need, and nothing else."""

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.tidy.project import PACKAGES, ROOT, files, text

CONSTRAINTS, RELEASED_CONSTRAINTS = "constraints.txt", "constraints-released.txt"
OLDEST_CONSTRAINTS, SUITES_CONSTRAINTS = "constraints-oldest.txt", "benchmarks/suites/constraints.txt"
TOP_FILES = ["CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "pyproject.toml"]
TOP_FILES += [CONSTRAINTS, RELEASED_CONSTRAINTS, OLDEST_CONSTRAINTS]
RELEASED = "released"
"""The extra with an environment of its own."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one wheel and one sdist, built from the tree."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-d", folder], cwd=ROOT, check=True, timeout=60)
    return folder


def test_the_wheel_holds_each_file_of_each_package(built: Path):
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == {path for path in files() if path.split("/")[0] in PACKAGES}


def test_the_sdist_can_build_and_test_itself(built: Path):
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    folders = (*PACKAGES, ".ci", "tests", "docs", "examples", "benchmarks")
    wanted = {*TOP_FILES, *(path for path in files() if path.split("/")[0] in folders)}
    assert wanted - held == set()


def pins(path: str = CONSTRAINTS) -> dict[str, str]:
    """The constraints: canonical name → exact version."""
    return {canonical(name): version for name, _, version in (line.partition("==") for line in lines_of(path))}


def lines_of(path: str) -> list[str]:
    """What a file of constraints says, without its comments."""
    return [line for line in text(path).splitlines() if line and not line.startswith("#")]


def canonical(name: str) -> str:
    """One spelling for all the spellings of a distribution's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def required(*extras: str) -> set[str]:
    """What the project and some of its extras depend on themselves."""
    project = tomllib.loads(text("pyproject.toml"))["project"]
    groups = [project["dependencies"], *(project["optional-dependencies"][extra] for extra in extras)]
    return {canonical(Requirement(each).name) for group in groups for each in group} - {"faultloop"}


@pytest.mark.parametrize("path", [CONSTRAINTS, RELEASED_CONSTRAINTS, OLDEST_CONSTRAINTS, SUITES_CONSTRAINTS])
def test_constraints_are_exact(path: str):
    lines = lines_of(path)
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9_-]+==[0-9][0-9a-z.]*", line)] == []
    assert len(pins(path)) == len(lines)


def test_every_dependency_is_constrained():
    extras = tomllib.loads(text("pyproject.toml"))["project"]["optional-dependencies"].keys() - {RELEASED}
    assert required(*extras) - pins().keys() == set()
    assert required(RELEASED) - pins(RELEASED_CONSTRAINTS).keys() == set()


def test_the_oldest_releases_that_are_tested_are_those_that_are_promised():
    """The lowest version of each requirement is the one in the environment of the oldest."""
    project = tomllib.loads(text("pyproject.toml"))["project"]
    extras = project["optional-dependencies"]
    oldest = pins(OLDEST_CONSTRAINTS)
    groups = [project["dependencies"], *(extras[name] for name in ("plugins", "trio", "pytest", "cli"))]
    for requirement in (Requirement(each) for group in groups for each in group):
        version = oldest.get(canonical(requirement.name))
        for low in (part.version for part in requirement.specifier if part.operator == ">="):
            assert version is not None, requirement
            assert version in (low, f"{low}.0", f"{low}.0.0"), requirement


def test_the_two_environments_differ_only_in_the_client_that_arq_needs():
    main, released = pins(), pins(RELEASED_CONSTRAINTS)
    assert {name for name in main.keys() & released.keys() if main[name] != released[name]} == {"redis"}


def test_what_the_dependencies_bring_is_constrained():
    # Over what is installed here: another Python or platform that brings more finds it missing there.
    brought = {
        canonical(requirement.name)
        for name in pins()
        for dist in metadata.distributions(name=name)
        for requirement in map(Requirement, dist.requires or [])
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    }
    assert brought - pins().keys() == set()
