"""A page is one file that runs only what is in it, whatever a trace says."""

import base64
import hashlib
import html
import json
import re
from typing import Any

import msgspec
import pytest

from faultloop import Trace, run
from faultloop.model.outcome import Outcome, Status
from faultloop.model.trace import Event
from faultloop.model.world import World
from faultloop.report.page.build import Extras, page, page_data, series, sources
from tests.report.programs import hand_over
from tests.report.support import TRACE

HOSTILE = '</script><script>alert(1)</script><img src=x onerror="alert(2)">&amp;\u2028'


def between(text: str, opening: str, closing: str) -> str:
    return text.partition(opening)[2].partition(closing)[0]


def policy_of(document: str) -> dict[str, list[str]]:
    content = html.unescape(between(document, 'Content-Security-Policy" content="', '">'))
    return {words[0]: words[1:] for words in (part.split() for part in content.split(";"))}


def hash_of(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def data_of(document: str) -> Any:
    return json.loads(between(document, 'id="faultloop-data">', "</script>"))


def test_the_policy_allows_the_one_script_and_the_one_style_and_nothing_else():
    document = page(TRACE)
    policy = policy_of(document)
    assert policy["default-src"] == ["'none'"]
    assert policy["script-src"] == [hash_of(between(document, "<script>", "</script>"))]
    assert policy["style-src"] == [hash_of(between(document, "<style>", "</style>"))]


def test_no_reference_leads_out_of_the_page():
    document = page(TRACE)
    assert re.findall(r"(?:\b(?:src|href)\s*=|url\((?!#))", document) == []
    assert [link for link in re.findall(r"https?://[^\s\"']+", document) if "www.w3.org/2000/svg" not in link] == []


def test_what_a_program_says_cannot_end_the_data():
    hostile = msgspec.structs.replace(
        TRACE,
        events=(*TRACE.events, Event(9, 0, "note", 0, text=HOSTILE)),
        outcome=Outcome(Status.VIOLATED, message=HOSTILE),
    )
    document = page(hostile, Extras(passes=HOSTILE))
    assert document.count("<script") == page(TRACE).count("<script")
    assert data_of(document)["passes"] == HOSTILE
    assert HOSTILE not in document


def test_the_data_tell_what_was_done_and_what_broke():
    told = data_of(page(TRACE))
    assert told["sentence"] == "Cancelling worker-2 at one await breaks all_jobs_done."
    assert told["fault"][0] == "cancel worker-2 at lib/pool.py:20 in Pool.acquire, wait #1 in Future"
    assert any("pool.in_use" in line for line in told["broke"])
    assert [(wait["task"], wait["owner"]) for wait in told["stuck"]] == [("scenario", "worker-1"), ("worker-1", "")]


def test_a_run_beside_real_servers_is_told_as_best_effort():
    beside = msgspec.structs.replace(TRACE, world=World("real"))
    assert [line for line in data_of(page(beside))["also"] if line.startswith("best effort")]
    assert not [line for line in data_of(page(TRACE))["also"] if line.startswith("best effort")]


def test_the_columns_of_events_are_as_long_as_the_run():
    (drawn,) = data_of(page(TRACE))["runs"]
    columns = {name: column for name, column in drawn["events"].items() if name != "text"}
    assert {len(column) for column in columns.values()} == {len(TRACE.events)}
    assert all(-1 <= at < len(TRACE.events) for wait in drawn["waits"] for at in wait[3:5])


def test_source_lines_stand_around_the_wait():
    texts = {"lib/pool.py": "\n".join(f"line {number}" for number in range(1, 30))}
    (drawn,) = page_data(TRACE, Extras(lines_of=sources(texts)))["runs"]
    assert drawn["sites"][2]["source"] == [[number, f"line {number}"] for number in range(18, 23)]
    assert drawn["sites"][0]["source"] == []


def test_the_first_difference_to_a_passing_run_is_named():
    failing = run(hand_over, faults=["cancel taker @ Queue.get #1 woken"]).trace
    told = page_data(failing, Extras(passing=run(hand_over).trace))
    assert [drawn["name"] for drawn in told["runs"]] == ["this run", "passing run"]
    at = told["difference"]["event"]
    assert failing.events[at].ev == "fault"
    assert "cancel" in told["difference"]["left"]


def test_a_passing_run_without_events_is_left_out():
    bare = Trace(env=TRACE.env, outcome=Outcome(Status.PASSED))
    assert len(page_data(TRACE, Extras(passing=bare))["runs"]) == 1


@pytest.mark.parametrize(
    ("notes", "expected"),
    [
        ([(1, "backlog = 3"), (2, "backlog = 5")], [{"name": "backlog", "points": [[1.0, 3.0], [2.0, 5.0]]}]),
        ([(1, "backlog = 3")], []),
        ([(1, "three = many"), (2, "three = few")], []),
        ([(1, "rate=-0.5"), (1, "rate=1.25"), (3, "said")], [{"name": "rate", "points": [[1.0, -0.5], [1.0, 1.25]]}]),
    ],
)
def test_numbers_that_a_program_notes_are_series(notes: list[tuple[int, str]], expected: list[dict[str, Any]]):
    events = tuple(Event(number, t * 10**9, "note", 0, text=text) for number, (t, text) in enumerate(notes, start=1))
    assert series(msgspec.structs.replace(TRACE, events=events)) == expected
