"""`report`, `export` and `explore --html`: what they write and where, and what they refuse."""

import json
from typing import Any

import pytest

from tests.cli.conftest import LOST, Shell

TRACE = ".faultloop/scenes-pool_is_whole-run.trace.json"


@pytest.fixture
def failed(shell: Shell) -> Shell:
    """A project with the trace of a failure."""
    assert shell("run", "scenes.py:pool_is_whole", "--fault", LOST).code == 1
    return shell


def data_of(page: str) -> Any:
    return json.loads(page.partition('id="faultloop-data">')[2].partition("</script>")[0])


def test_a_page_is_written_beside_its_trace_with_the_lines_that_wait(failed: Shell):
    said = failed("report", TRACE)
    assert said.code == 0
    assert "wrote .faultloop/scenes-pool_is_whole-run.html" in said.out
    told = data_of((failed.root / ".faultloop" / "scenes-pool_is_whole-run.html").read_text(encoding="utf-8"))
    assert told["sentence"] == "Cancelling worker-2 at one await breaks pool_is_whole."
    lines = [text for site in told["runs"][0]["sites"] for _, text in site["source"]]
    assert any("await slot" in line for line in lines)


def test_without_a_name_the_newest_trace_is_reported(failed: Shell):
    assert failed("report", "-o", "page.html").code == 0
    assert "pool_is_whole" in (failed.root / "page.html").read_text(encoding="utf-8")


def test_a_page_for_each_failure_stands_beside_the_run_that_passed(shell: Shell):
    said = shell("explore", "scenes.py:pool_is_whole", "--html", "--first")
    assert said.code == 1
    page = shell.root / ".faultloop" / "scenes-pool_is_whole-1.html"
    runs = data_of(page.read_text(encoding="utf-8"))["runs"]
    assert [run["status"] for run in runs] == ["violated", "passed"]
    page.unlink()
    assert shell("report", ".faultloop/scenes-pool_is_whole-1.trace.json").code == 0
    assert len(data_of(page.read_text(encoding="utf-8"))["runs"]) == 2


def test_replay_without_a_name_takes_the_failure_and_not_the_run_that_passed(shell: Shell):
    assert shell("explore", "scenes.py:pool_is_whole", "--first").code == 1
    assert shell("replay").code == 1


def test_a_trace_names_no_file_outside_the_project(failed: Shell):
    (failed.root.parent / "secret.py").write_text("password = 1\n" * 200)
    trace = failed.root / TRACE
    text = trace.read_text(encoding="utf-8").replace('"scenes.py"', '"../secret.py"')
    assert "../secret.py" in text
    trace.write_text(text, encoding="utf-8")
    assert failed("report", TRACE, "-o", "page.html").code == 0
    assert "password" not in (failed.root / "page.html").read_text(encoding="utf-8")


def test_an_export_is_json_in_the_format_that_was_asked_for(failed: Shell):
    assert failed("export", TRACE).code == 0
    chrome = json.loads((failed.root / ".faultloop" / "scenes-pool_is_whole-run.chrome-trace.json").read_text())
    assert chrome["traceEvents"]
    assert failed("export", TRACE, "--format", "otel", "-o", "spans.json").code == 0
    assert json.loads((failed.root / "spans.json").read_text())["resourceSpans"]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["export", TRACE], '{"displayTimeUnit"'),
        (["export", "--format", "otel"], '{"resourceSpans"'),
        (["report", TRACE], "<!doctype html>"),
        (["schema"], "{"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_a_document_goes_to_standard_output_and_nothing_else_does(failed: Shell, typed: list[str], said: str):
    written = failed(*typed, "-o", "-")
    assert (written.code, written.err) == (0, "")
    assert written.out.lower().startswith(said.lower())
    assert not (failed.root / "-").exists()


def test_the_pages_of_standard_output_and_of_a_file_are_the_same(failed: Shell):
    assert failed("report", TRACE, "-o", "page.html").code == 0
    assert failed("report", TRACE, "-o", "-").out == (failed.root / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        (["export", TRACE, "-o", "-", "--json", "-"], "FL100"),
        (["export", "gone.json"], "FL1"),
        (["export", TRACE, "--format", "pdf"], "FL100"),
        (["export", TRACE, "-o", "no/such/folder/x.json"], "FL1"),
        (["report", "scenes.py"], "FL1"),
        (["report", TRACE, "--against", "gone.json"], "FL1"),
        (["report", TRACE, "--root", "nowhere"], "FL1"),
    ],
)
def test_what_cannot_be_done_is_answered_in_a_sentence(failed: Shell, typed: list[str], code: str):
    said = failed(*typed)
    assert said.code == 2
    assert said.err.startswith("faultloop: ")
    assert f"[{code}" in said.err


def test_a_trace_without_events_cannot_be_exported(failed: Shell):
    trace = json.loads((failed.root / TRACE).read_text(encoding="utf-8"))
    trace["events"] = []
    (failed.root / "bare.json").write_text(json.dumps(trace), encoding="utf-8")
    said = failed("export", "bare.json")
    assert (said.code, "keeps no events" in said.err) == (2, True)
