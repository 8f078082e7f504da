"""The catalogue's command line: what it shows, what it runs, and how a new bundle begins."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from failure_modes.__main__ import main
from failure_modes.catalogue import FOLDER, Bundle, CatalogueError, Patch, find
from failure_modes.proof import prevent, recover, repro
from failure_modes.scaffold import scaffold

PROJECT = FOLDER.parent


def test_all_failure_modes_are_listed_with_what_they_violate(capsys: pytest.CaptureFixture[str]):
    assert main(["list"]) == 0
    told = capsys.readouterr().out
    assert "FM_001 Retry duplication: double execution\n        Every effect happens exactly once per key" in told


def test_a_spec_is_shown_whole(capsys: pytest.CaptureFixture[str]):
    assert main(["show", "fm1"]) == 0
    assert capsys.readouterr().out == (find("1").folder / "spec.md").read_text(encoding="utf-8")


def test_proofs_are_told_a_line_each(capsys: pytest.CaptureFixture[str]):
    assert main(["recover", "FM_001"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("FM_001  holds")
    assert told.endswith("recover: 1 of 1 as specified\n")


@pytest.mark.parametrize("name", ["FM_001", "fm_001", "fm1", "1", "001", "FM_001_retry_duplication"])
def test_a_failure_mode_is_found_however_it_is_typed(name: str):
    assert find(name).folder.name == "FM_001_retry_duplication"


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        (["show", "FM_999"], "FMC101"),
        (["repro"], "FMC102"),
        (["repro", "shoe"], "FMC101"),
        (["repro", "--all", "FM_001"], "FMC102"),
        (["repro", "FM_001", "--jobs", "0"], "FMC100"),
        (["new", "FM_990", "_"], "FMC103"),
        (["new", "FM_001", "again"], "FMC104"),
        (["new", "FM_1", "short"], "FMC103"),
        (["new", "FM_990", "Not A Name"], "FMC103"),
        (["dance"], "FMC100"),
        ([], "FMC100"),
    ],
)
def test_what_is_typed_wrongly_is_answered_in_a_sentence(
    typed: list[str], code: str, capsys: pytest.CaptureFixture[str]
):
    assert main(typed) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("failure_modes: ")
    assert told.err.endswith(f"[{code}]\n")


@pytest.mark.parametrize("proof", [repro, prevent])
def test_a_bundle_that_was_not_recorded_yet_is_answered_with_what_to_type(
    proof: Callable[[Bundle], object], tmp_path: Path
):
    folder = tmp_path / "failure_modes" / find("12").folder.name
    shutil.copytree(find("12").folder, folder, ignore=shutil.ignore_patterns("trace.json"))
    with pytest.raises(CatalogueError, match=r"python -m failure_modes record FM_012 \[FMC208\]"):
        proof(Bundle(folder))


def half_done(folder: Path, scenario: str) -> Bundle:
    """A bundle that somebody is at: all is there but what `scenario` says."""
    made = Bundle(folder / f"modes_of_{folder.name}" / "FM_990_half_done")  # a package of its own, for each is imported
    made.folder.mkdir(parents=True)
    shutil.copy(find("12").folder / "spec.md", made.folder)
    made.trace.write_text("{")
    made.scenario.write_text(scenario)
    return made


@pytest.mark.parametrize(
    ("scenario", "said"),
    [
        ("import sys\nimport no_such_thing\n", "line 2: cannot be imported. ModuleNotFoundError"),
        ("(\n", "line 1: cannot be imported. SyntaxError"),
        ("raise KeyError('x')\n", "line 1: cannot be imported. KeyError"),
    ],
    ids=["an import", "the syntax", "an error of its own"],
)
def test_a_scenario_that_cannot_be_imported_is_answered_with_its_line(
    scenario: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    bundle = half_done(tmp_path, scenario)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(CatalogueError) as caught:
        repro(bundle)
    assert str(caught.value).startswith(f"FM_990_half_done/scenario.py, {said}")
    assert caught.value.code == "FMC209"


def test_an_unreadable_trace_is_answered_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    scenario = find("12").scenario.read_text(encoding="utf-8")
    bundle = half_done(tmp_path, scenario)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("failure_modes.__main__.find", lambda _: bundle)
    assert main(["prevent", "FM_990"]) == 2
    told = capsys.readouterr()
    assert "trace.json: is cut off at byte 1" in told.err
    assert told.err.endswith("[FL103]\n")


def test_a_trigger_that_reaches_nothing_is_told_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    bundle = half_done(tmp_path, find("12").scenario.read_text(encoding="utf-8"))
    spec = bundle.folder / "spec.md"
    fault = bundle.spec().faults[0]
    spec.write_text(spec.read_text(encoding="utf-8").replace(fault, "cancel nobody @ sleep #1 parked"))
    monkeypatch.syspath_prepend(tmp_path)
    (objection,) = recover(bundle).objections
    assert 'no task matched "nobody"' in objection
    assert "NotReached(" not in objection


def test_a_bundle_that_cannot_be_written_is_answered_in_a_sentence(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(CatalogueError, match=r"cannot be written: Not a directory \[FMC106\]"):
        scaffold("FM_990", "lost_shoe", folder=tmp_path / "file", tests=tmp_path)


def test_a_reader_that_goes_away_is_no_error():
    command = [sys.executable, "-m", "failure_modes", "list"]
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        done = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_guardrail_is_taken_away_where_it_stands():
    source = "def f():\n    if ready:\n        hold()\n        go()\n"
    assert Patch(("hold()",), ()).applied_to(source, "FM") == source.replace("hold()", "pass")
    assert Patch(("hold()", "go()"), ("go()",)).applied_to(source, "FM") == source.replace("        hold()\n", "")
    with pytest.raises(CatalogueError, match="stands 0 times"):
        Patch(("held()",), ()).applied_to(source, "FM")


def test_the_tests_of_a_new_bundle_run_and_fail_until_it_is_filled_in(tmp_path: Path):
    """In a copy of the catalogue, so that nothing is written into this one."""
    ignored = shutil.ignore_patterns("FM_*", "__pycache__")
    shutil.copytree(FOLDER, tmp_path / "failure_modes", ignore=ignored)
    tests = tmp_path / "tests" / "failure_modes"
    tests.mkdir(parents=True)
    written = scaffold("FM_990", "lost_shoe", folder=tmp_path / "failure_modes", tests=tests)
    assert len(written) == 6
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", str(tests)]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": f"{tmp_path}:{PROJECT}"}, capture_output=True, text=True, timeout=120
    )
    assert "3 failed" in done.stdout, done.stdout + done.stderr
