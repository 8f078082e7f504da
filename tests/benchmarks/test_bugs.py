"""The cases of real bugs are whole, and the tables tell what became of them."""

import ast
import dataclasses
import sys
from pathlib import Path

import pytest

from benchmarks.bugs import results, tell
from benchmarks.bugs.corpus import Case, Release, Unavailable, all_cases, environment, interpreter
from benchmarks.bugs.open_field import alarms, table_of_all, the_bug, whom
from benchmarks.bugs.results import ALL, VICTIM, Failure, Result, said, table

CASES = all_cases()
CASE = CASES[0]
LOST = Failure("AssertionError: 3 lost", "cancel scenario/victim @ take>get #1 woken", 1, "fifo", 7, replays=True)
BROKEN = Result(CASE.id, "broken", VICTIM, "lib==1", "3.11.7", "2026-11-26", "violated", "", 7, 0.51, (LOST,))
FIXED = Result(CASE.id, "fixed", VICTIM, "lib==2", "3.11.7", "2026-11-26", "passed", runs=500)


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
    row = table([CASE], {each.key: each for each in (BROKEN, FIXED)}).splitlines()[-1]
    assert row == f"| {CASE.id} | lib==1 | 7 | 0.5 | 1 | fifo | exact | lib==2 | 500 | 0 |"
    assert said(BROKEN) == "found in run 7, 0.5 s: 1 deviation(s), order fifo, replay exact: AssertionError: 3 lost"


def test_what_was_not_found_and_alarms_and_replays_that_differ_stand_out():
    missed = dataclasses.replace(BROKEN, status="passed", failures=())
    alarm = dataclasses.replace(FIXED, status="violated", failures=(dataclasses.replace(LOST, message="alarm"),))
    row = table([CASE], {each.key: each for each in (missed, alarm)}).splitlines()[-1]
    assert "| **passed** |" in row
    assert row.endswith("| **alarm** |")
    differs = dataclasses.replace(BROKEN, failures=(dataclasses.replace(LOST, replays=False),))
    assert "| **differs** |" in table([CASE], {differs.key: differs})


def test_results_are_read_as_they_were_written_and_the_later_line_counts(tmp_path: Path):
    file = tmp_path / "deeper" / "results.jsonl"
    assert results.read(file) == {}
    results.add(file, dataclasses.replace(BROKEN, runs=1))
    results.add(file, BROKEN)
    results.add(file, FIXED)
    assert results.read(file) == {BROKEN.key: BROKEN, FIXED.key: FIXED}
    results.write(file, [FIXED, BROKEN])
    assert [line[:40] for line in file.read_text(encoding="utf-8").splitlines()] == [
        results.line_of(BROKEN)[:40],
        results.line_of(FIXED)[:40],
    ]


@pytest.mark.parametrize(
    ("fault", "who"),
    [
        ("", "order"),
        ("cancel scenario/victim @ take>get #1 woken", "victim"),
        ("cancel scenario/m.owner/m.<locals>.victim @ take>get #1 racing scenario @ f>sleep #1", "victim"),
        ("cancel serve @ serve>StreamReader.readline #4 parked", "helper"),
        ("cancel scenario/victim @ f>g #1 parked; delay:2s scenario/first @ f>g #1 woken", "helper"),
        ("cancel scenario @ scenario>sleep #1 parked; cancel serve @ serve>read #1 parked", "body"),
    ],
    ids=["order", "victim", "nested", "helper", "two", "body"],
)
def test_whom_a_failure_hits(fault: str, who: str):
    assert whom(dataclasses.replace(LOST, fault=fault)) == who


def test_the_bug_is_what_the_fixed_release_has_not():
    helper = dataclasses.replace(LOST, fault="cancel serve @ serve>read #1 parked", message="hangs", first_run=2)
    same = dataclasses.replace(LOST, message="AssertionError: 5 lost", fault=helper.fault, first_run=4)
    of_all = dataclasses.replace(BROKEN, tasks=ALL, failures=(helper, same, LOST))
    fixed = dataclasses.replace(FIXED, tasks=ALL, status="violated", failures=(helper,))
    assert the_bug(BROKEN, of_all, fixed) == same  # the numbers in a message are those of one run
    assert the_bug(None, of_all, fixed) == LOST
    everywhere = dataclasses.replace(fixed, failures=(same, dataclasses.replace(LOST, first_run=90)))
    assert the_bug(BROKEN, of_all, everywhere) is None
    of_helper = dataclasses.replace(fixed, failures=(same,))
    assert the_bug(BROKEN, of_all, of_helper) == LOST  # that a helper can be hit as well excuses nothing
    row = table_of_all([CASE], {each.key: each for each in (BROKEN, of_all, fixed)}).splitlines()[-1]
    assert row == f"| {CASE.id} | 4 | helper | 2, helper | 2 | 1 helper |"
    assert alarms(CASE, dataclasses.replace(fixed, status="hung")) == "hung"


def test_what_was_found_is_told_with_the_report_up_to_its_second_failure():
    report = "head\n\n── 1 of 2 ──────\nthe first\n\n── 2 of 2 ──────\nthe second\n"
    broken = dataclasses.replace(BROKEN, report=report)
    told = tell.told([CASE], {broken.key: broken, FIXED.key: FIXED})
    assert "the first" in told
    assert "the second" not in told
    assert f"<{CASE.url}>" in told
    assert "`cancel scenario/victim @ take>get #1 woken`; found in run 7" in told
    assert "in 500 runs" in told
    assert tell.told([CASE], {FIXED.key: FIXED}) == ""


def test_only_what_is_between_the_marks_is_written():
    before = "a\n<!-- x -->old<!-- /x -->\nz <!-- y --><!-- /y -->"
    after = "a\n<!-- x -->\n\nnew\n\n<!-- /x -->\nz <!-- y -->\n\nother\n\n<!-- /y -->"
    assert tell.filled(before, {"x": "new", "y": "other"}) == after


def test_the_documents_say_what_the_results_say():
    known = results.read(results.KEPT)
    assert len([key for key in known if key[2] == VICTIM]) == 58
    for path, parts in tell.texts().items():
        document = path.read_text(encoding="utf-8")
        assert tell.filled(document, parts) == document
