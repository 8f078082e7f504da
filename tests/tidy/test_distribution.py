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

TOP_FILES = ["CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "constraints.txt", "pyproject.toml"]


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
    folders = (*PACKAGES, "tests", "docs", "examples", "benchmarks")
    wanted = {*TOP_FILES, *(path for path in files() if path.split("/")[0] in folders)}
    assert wanted - held == set()


def pins() -> dict[str, str]:
    """The constraints: canonical name → exact version."""
    lines = [line for line in text("constraints.txt").splitlines() if line and not line.startswith("#")]
    return {canonical(name): version for name, _, version in (line.partition("==") for line in lines)}


def canonical(name: str) -> str:
    """One spelling for all the spellings of a distribution's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_constraints_are_exact():
    lines = [line for line in text("constraints.txt").splitlines() if line and not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9_-]+==[0-9][0-9a-z.]*", line)] == []
    assert len(pins()) == len(lines)


def test_every_dependency_is_constrained():
    project = tomllib.loads(text("pyproject.toml"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    names = {canonical(Requirement(each).name) for group in groups for each in group}
    assert names - {"faultloop"} - pins().keys() == set()


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
