"""`coverage`: what it says, what it draws, when it is not enough."""

import json

import pytest

from tests.cli.conftest import Shell

DATA = ".faultloop/coverage.json"


@pytest.fixture
def explored(shell: Shell) -> Shell:
    """A project in which one scenario was explored."""
    assert shell("explore", "scenes.py:pool_is_whole", "--strategy", "sweep", "--faults", "cancel").code == 1
    return shell


def test_an_exploration_leaves_its_coverage_and_the_next_one_adds_to_it(explored: Shell):
    before = json.loads((explored.root / DATA).read_text())
    assert explored("explore", "scenes.py:fine", "--strategy", "sweep", "--faults", "cancel").code == 0
    after = json.loads((explored.root / DATA).read_text())
    assert len(after["points"]) == len(before["points"]) + 1


def test_a_damaged_coverage_file_takes_nothing_of_what_was_found(explored: Shell):
    (explored.root / DATA).write_text("damaged", encoding="utf-8")
    said = explored("explore", "scenes.py:pool_is_whole", "--strategy", "sweep", "--faults", "cancel", "--out", "found")
    assert said.code == 1
    assert "1 of " in said.out
    assert (explored.root / "found" / "scenes-pool_is_whole-1.trace.json").exists()
    assert "[FL121]" in said.err
    assert (explored.root / DATA).read_text(encoding="utf-8") == "damaged", "it is left as it is"


def test_the_report_is_a_line_a_file(explored: Shell):
    said = explored("coverage", "report", "--json", "out.json")
    assert said.code == 0
    assert [line.split()[0] for line in said.out.splitlines()] == [
        "file",
        said.out.splitlines()[1],
        "scenes.py",
        said.out.splitlines()[1],
        "TOTAL",
    ]
    result = json.loads((explored.root / "out.json").read_text())
    assert result["percent"] == 100
    assert result["files"]["scenes.py"]["tried"] == result["files"]["scenes.py"]["chances"] > 4


def test_awaits_of_other_scenarios_never_waited(explored: Shell):
    said = explored("coverage", "report", "--json", "-")
    source = (explored.root / "scenes.py").read_text().splitlines()
    unseen = [source[line - 1].strip() for line in said.json["files"]["scenes.py"]["unseen"]]
    assert "await asyncio.sleep(1)" in unseen
    assert "await slot" not in unseen


def test_less_than_asked_for_is_1(explored: Shell):
    assert explored("explore", "scenes.py:fine", "--faults", "expire,cancel", "--runs", "3").code == 0
    assert explored("coverage", "report", "--fail-under", "50").code == 0
    said = explored("coverage", "report", "--fail-under", "100%")
    assert (said.code, "below the 100% asked for" in said.err) == (1, True)


def test_a_page_of_sources_is_written(explored: Shell):
    assert explored("coverage", "html", "-o", "cover.html").code == 0
    assert explored("coverage", "html", "-o", "-").out == (explored.root / "cover.html").read_text(encoding="utf-8")
    assert "await slot" in (explored.root / "cover.html").read_text()


def test_erasing_begins_anew(explored: Shell):
    assert explored("coverage", "erase").code == 0
    assert explored("coverage", "report").code == 2


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        (["coverage", "report", "--data", "gone.json"], "FL120"),
        (["coverage", "erase", "--data", "scenes.py"], "FL121"),
        (["coverage", "report", "--data", "scenes.py"], "FL121"),
        (["coverage", "report", "--files", "nothing/*"], "FL122"),
        (["coverage", "report", "--fail-under", "101"], "FL100"),
        (["coverage", "dance"], "FL100"),
    ],
)
def test_what_cannot_be_done_is_answered_in_a_sentence(explored: Shell, typed: list[str], code: str):
    said = explored(*typed)
    assert said.code == 2
    assert f"[{code}]" in said.err
    assert (explored.root / "scenes.py").exists()
