"""Every failure mode is a complete bundle: told, reproduced, recorded, and proved by three test files."""

from pathlib import Path

import pytest

from tests.tidy import rules
from tests.tidy.project import ROOT

BUNDLES = sorted((ROOT / "failure_modes").glob("FM_*"))
SPEC = "# FM_001 name\n" + "".join(f"\n## {section.capitalize()}\n\nSaid.\n" for section in rules.BUNDLE_SECTIONS)


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_the_bundle_is_complete(bundle: Path):
    assert rules.incomplete_bundle(bundle, ROOT / "tests" / "failure_modes") == []


def test_the_first_bundle_is_here():
    assert [bundle.name for bundle in BUNDLES if bundle.name.startswith("FM_001_")] != []


def test_no_proof_stands_without_its_bundle():
    numbers = {bundle.name[3:6] for bundle in BUNDLES}
    proofs = (ROOT / "tests" / "failure_modes").glob("test_*_fm[0-9][0-9][0-9].py")
    assert [proof.name for proof in proofs if proof.stem[-3:] not in numbers] == []


# The rules can fail


def make_bundle(root: Path, name: str) -> tuple[Path, Path]:
    bundle, tests = root / name, root / "tests"
    bundle.mkdir()
    tests.mkdir()
    for file in rules.BUNDLE_FILES:
        (bundle / file).write_text(SPEC)
    for proof in rules.BUNDLE_PROOFS:
        (tests / f"test_{proof}_fm001.py").touch()
    return bundle, tests


def test_a_complete_bundle_has_no_complaint(tmp_path: Path):
    assert rules.incomplete_bundle(*make_bundle(tmp_path, "FM_001_name")) == []


@pytest.mark.parametrize("file", rules.BUNDLE_FILES)
def test_a_missing_file_is_named(tmp_path: Path, file: str):
    bundle, tests = make_bundle(tmp_path, "FM_001_name")
    (bundle / file).unlink()
    assert rules.incomplete_bundle(bundle, tests) == [f"FM_001_name: has no {file}"]


@pytest.mark.parametrize("proof", rules.BUNDLE_PROOFS)
def test_a_missing_proof_is_named(tmp_path: Path, proof: str):
    bundle, tests = make_bundle(tmp_path, "FM_001_name")
    (tests / f"test_{proof}_fm001.py").unlink()
    assert rules.incomplete_bundle(bundle, tests) == [f"FM_001_name: has no tests/test_{proof}_fm001.py"]


def test_a_bundle_with_another_name_is_refused(tmp_path: Path):
    assert rules.incomplete_bundle(*make_bundle(tmp_path, "FM_1_name")) == ["FM_1_name: is not named FM_NNN_name"]


@pytest.mark.parametrize("section", rules.BUNDLE_SECTIONS)
def test_a_missing_or_empty_section_is_named(section: str):
    heading = f"## {section.capitalize()}"
    assert rules.missing_sections("spec.md", SPEC.replace(heading, "## Other")) == [
        f"spec.md: has no section «{section}»"
    ]
    assert rules.missing_sections("spec.md", SPEC.replace(f"{heading}\n\nSaid.", heading)) == [
        f"spec.md: its section «{section}» is empty"
    ]
