"""The cases of real bugs are whole, and the table tells what became of them."""

import ast
import sys

import pytest

from benchmarks.bugs import run
from benchmarks.bugs.corpus import Case, Release, Unavailable, all_cases, environment, interpreter
from benchmarks.bugs.run import Result, said, table

CASES = all_cases()


def test_all_cases_are_here():
    assert len(CASES) == 32
    assert sum(case.fixed is None for case in CASES) == 6
    assert {case.backend for case in CASES} == {"asyncio", "anyio", "trio"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_case_has_pins_a_source_and_a_scenario_that_knows_no_tool(case: Case):
    assert case.broken.pins or case.library.startswith("cpython")
    assert case.url.startswith("https://")
    source = case.scenario.read_text(encoding="utf-8")
    tree = ast.parse(source)
    assert "scenario" in {node.name for node in tree.body if isinstance(node, ast.AsyncFunctionDef)}
    assert "faultloop" not in source
    assert "victim" in source


def test_a_python_that_does_not_answer_is_named():
    with pytest.raises(Unavailable, match=r"no python3\.99 answers here"):
        environment(Release("3.99.0", ()))
    assert interpreter(f"{sys.version_info[0]}.{sys.version_info[1]}.0")


def test_the_table_tells_both_sides():
    case = CASES[0]
    broken = Result(
        case.id, "broken", "victim", "lib==1", "violated", "", 7, 7, 0.51, 1, "fifo", "cancel", "lost", True
    )
    fixed = Result(case.id, "fixed", "victim", "lib==2", "passed", runs=500)
    known = {(each.id, each.side, each.tasks): each for each in (broken, fixed)}
    row = table([case], known, "victim").splitlines()[-1]
    assert row == f"| {case.id} | lib==1 | 7 | 0.5 | 1 | fifo | exact | lib==2 | 500 | 0 |"
    assert said(broken) == "found in run 7, 0.5 s: 1 deviation(s), order fifo, replay exact: lost"


def test_what_was_not_found_and_alarms_stand_out():
    case = CASES[0]
    broken = Result(case.id, "broken", "victim", "lib==1", "passed", runs=2000)
    fixed = Result(case.id, "fixed", "victim", "lib==2", "violated", first_run=3, runs=3, message="alarm")
    known = {(each.id, each.side, each.tasks): each for each in (broken, fixed)}
    row = table([case], known, "victim").splitlines()[-1]
    assert "| **passed** |" in row
    assert row.endswith("| **alarm** |")


def test_settings_are_the_same_for_all():
    assert run.SETTINGS == ["--order", "batch", "--runs", "2000", "--time", "60"]
