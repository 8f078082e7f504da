"""Every failure mode is a complete bundle: told, reproduced, recorded, and proved by three test files."""

from pathlib import Path

import pytest

from failure_modes import catalogue
from failure_modes.catalogue import Bundle, bundles, complaints
from tests.tidy.project import ROOT

BUNDLES = bundles()
PROOFS = ROOT / "tests" / "failure_modes"
SCENARIO = "async def guarded():\n    await hold()\n    await go()\n"
SPEC = """\
# FM_001 name

## Violated invariant

One effect per key.

## Trigger

```faults
cancel worker @ go #1 parked
```

Exploring it finds it within 20 runs.

## Detection

Said.

## Guardrail

Hold first.

```diff
- await hold()
```

## Recovery

Said.

## Where it happened

- A queue: it was lost, [queue#1](https://example.org/1).

In production it looks
like nothing.
"""


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_the_bundle_is_complete(bundle: Bundle):
    assert complaints(bundle.folder, PROOFS) == []


def test_the_first_bundle_is_here():
    assert [bundle.name for bundle in BUNDLES][:1] == ["FM_001"]


def test_no_proof_stands_without_its_bundle():
    numbers = {bundle.number for bundle in BUNDLES}
    proofs = PROOFS.glob("test_*_fm[0-9][0-9][0-9].py")
    assert [proof.name for proof in proofs if proof.stem[-3:] not in numbers] == []


# The rules can fail


def make_bundle(root: Path, name: str = "FM_001_name", spec: str = SPEC) -> tuple[Path, Path]:
    bundle, tests = root / name, root / "tests"
    bundle.mkdir()
    tests.mkdir()
    (bundle / "spec.md").write_text(spec)
    (bundle / "scenario.py").write_text(SCENARIO)
    (bundle / "trace.json").touch()
    for proof in catalogue.PROOFS:
        (tests / f"test_{proof}_fm001.py").touch()
    return bundle, tests


def test_a_complete_bundle_has_no_complaint(tmp_path: Path):
    assert complaints(*make_bundle(tmp_path)) == []


@pytest.mark.parametrize("file", catalogue.FILES)
def test_a_missing_file_is_named(tmp_path: Path, file: str):
    bundle, tests = make_bundle(tmp_path)
    (bundle / file).unlink()
    assert complaints(bundle, tests) == [f"FM_001_name: has no {file}"]


@pytest.mark.parametrize("proof", catalogue.PROOFS)
def test_a_missing_proof_is_named(tmp_path: Path, proof: str):
    bundle, tests = make_bundle(tmp_path)
    (tests / f"test_{proof}_fm001.py").unlink()
    assert complaints(bundle, tests) == [f"FM_001_name: has no tests/test_{proof}_fm001.py"]


def test_a_bundle_with_another_name_is_refused(tmp_path: Path):
    assert complaints(*make_bundle(tmp_path, "FM_1_name")) == ["FM_1_name: is not named FM_NNN_name"]


@pytest.mark.parametrize("section", catalogue.SECTIONS)
def test_a_missing_section_is_named(tmp_path: Path, section: str):
    parts = SPEC.split("## ")
    without = "## ".join(part for part in parts if not part.lower().partition("\n")[0].endswith(section))
    assert len(without) < len(SPEC)
    (complaint,) = complaints(*make_bundle(tmp_path, spec=without))
    assert complaint == f"FM_001_name/spec.md: has no section «{section}», or an empty one [FMC202]"


@pytest.mark.parametrize(
    ("said", "instead", "code"),
    [
        ("# FM_001 name", "FM_001 name", "FMC201"),
        ("Said.", "", "FMC202"),
        ("within 20 runs", "at once", "FMC203"),
        ("- await hold()", "- await held()", "FMC204"),
        ("```diff", "```", "FMC204"),
        ("cancel worker @ go #1 parked\n", "", "no block ```faults"),
        ("[queue#1](https://example.org/1)", "queue#1", "«Where it happened» has no link to an incident"),
        ("In production it looks", "It looks", "has no sentence «In production it looks like …»"),
    ],
)
def test_what_a_spec_does_not_say_is_named(tmp_path: Path, said: str, instead: str, code: str):
    assert said in SPEC
    (complaint,) = complaints(*make_bundle(tmp_path, spec=SPEC.replace(said, instead, 1)))
    assert code in complaint
