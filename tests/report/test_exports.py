"""What is exported keeps the rules of the formats, for runs of every kind."""

from collections import defaultdict
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from random import Random
from typing import Any

import msgspec
import pytest

from faultloop import Trace, run
from faultloop.report.chrome import chrome_trace
from faultloop.report.otel import EPOCH_NS, otel_spans
from tests.report.programs import busy, hand_over, stuck
from tests.report.support import TRACE


def busy_run(seed: int) -> Trace:
    return run(busy(Random(seed)), seed=seed, order="any").trace


RUNS: dict[str, Callable[[], Trace]] = {
    "by hand": lambda: TRACE,
    "handed over": lambda: run(hand_over).trace,
    "lost": lambda: run(hand_over, faults=["cancel taker @ Queue.get #1 woken"]).trace,
    "stuck": lambda: run(stuck).trace,
    **{f"busy {seed}": partial(busy_run, seed) for seed in range(10)},
}
REQUIRED = {
    "M": {"name", "pid", "tid", "args"},
    "X": {"name", "pid", "tid", "ts", "dur", "cat"},
    "s": {"name", "pid", "tid", "ts", "cat", "id"},
    "f": {"name", "pid", "tid", "ts", "cat", "id", "bp"},
    "i": {"name", "pid", "tid", "ts", "cat", "s"},
}


@pytest.fixture(scope="module", params=RUNS)
def trace(request: pytest.FixtureRequest) -> Trace:
    return RUNS[request.param]()


@pytest.fixture
def events(trace: Trace) -> list[dict[str, Any]]:
    made: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(chrome_trace(trace)))
    assert set(made) == {"displayTimeUnit", "traceEvents"}
    events: list[dict[str, Any]] = made["traceEvents"]
    return events


def slices(events: list[dict[str, Any]]) -> dict[int, list[tuple[float, float]]]:
    """Begin and end of the slices of each track, in order."""
    found = defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            found[event["tid"]].append((event["ts"], event["ts"] + event["dur"]))
    return {track: sorted(ranges) for track, ranges in found.items()}


def test_each_event_has_the_keys_of_its_phase(events: list[dict[str, Any]]):
    assert {event["ph"] for event in events} <= REQUIRED.keys()
    assert [event for event in events if not REQUIRED[event["ph"]] <= event.keys()] == []


def test_slices_of_one_track_do_not_overlap(events: list[dict[str, Any]]):
    for ranges in slices(events).values():
        assert all(begin < end for begin, end in ranges)
        for (_, end), (begin, _) in pairwise(ranges):
            assert end <= begin + 1e-6


def test_flows_come_in_pairs_and_lie_inside_slices(events: list[dict[str, Any]]):
    ranges = slices(events)
    ends = defaultdict(list)
    for event in events:
        if event["ph"] in "sf":
            ends[event["cat"], event["name"], event["id"]].append(event)
    for pair in ends.values():
        assert [event["ph"] for event in pair] == ["s", "f"]
        assert pair[0]["ts"] < pair[1]["ts"]
        for event in pair:
            assert any(begin <= event["ts"] <= end for begin, end in ranges[event["tid"]]), event


def test_each_task_has_a_named_track_in_order(trace: Trace, events: list[dict[str, Any]]):
    names = [event["args"]["name"] for event in events if event["name"] == "thread_name"]
    orders = [event["args"]["sort_index"] for event in events if event["name"] == "thread_sort_index"]
    assert len(names) == len(trace.tasks)
    assert orders == sorted(orders)


def test_a_hand_over_is_a_flow_and_a_failure_an_instant_for_all():
    made = chrome_trace(run(hand_over).trace)["traceEvents"]
    assert [event["ph"] for event in made if event["ph"] in "sf"][:2] == ["s", "f"]
    failed = chrome_trace(run(stuck).trace)["traceEvents"]
    (verdict,) = [event for event in failed if event["ph"] == "i" and event["s"] == "g"]
    assert verdict["name"].startswith("DEADLOCKED")


# OpenTelemetry


def spans(trace: Trace) -> list[dict[str, Any]]:
    made = msgspec.json.decode(msgspec.json.encode(otel_spans(trace)))
    (resource,) = made["resourceSpans"]
    (scope,) = resource["scopeSpans"]
    found: list[dict[str, Any]] = scope["spans"]
    return found


def test_span_ids_are_hexadecimal_and_unique(trace: Trace):
    made = spans(trace)
    assert len({span["spanId"] for span in made}) == len(made)
    assert all(len(bytes.fromhex(span["spanId"])) == 8 for span in made)
    assert {len(bytes.fromhex(span["traceId"])) for span in made} == {16}


def test_every_span_but_the_scenario_has_its_parent(trace: Trace):
    made = spans(trace)
    known = {span["spanId"] for span in made}
    assert made[0]["parentSpanId"] == ""
    assert {span["parentSpanId"] for span in made[1:]} <= known


def test_spans_end_after_they_begin_and_within_the_run(trace: Trace):
    last = EPOCH_NS + trace.events[-1].t + (trace.events[-1].step + 1) * 1_000
    for span in spans(trace):
        begin, end = int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])
        assert EPOCH_NS <= begin <= end <= last


def test_the_same_run_gives_the_same_spans():
    assert otel_spans(run(hand_over).trace) == otel_spans(run(hand_over).trace)


def test_what_was_woken_is_linked_to_its_waker_and_a_failure_is_an_error():
    made = spans(run(hand_over).trace)
    taker = next(span for span in made if span["name"] == "taker")
    (waited,) = [span for span in made if span["parentSpanId"] == taker["spanId"]]
    assert waited["links"][0]["spanId"] == made[0]["spanId"]
    assert spans(run(stuck).trace)[0]["status"]["code"] == 2
