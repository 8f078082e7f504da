"""The first difference of two runs, by names."""

import msgspec

from faultloop.engine.compare import CONTEXT, divergence, event_in_words
from faultloop.model.address import parse_fault
from faultloop.model.outcome import Outcome, Status
from faultloop.model.points import Site
from faultloop.model.trace import Choices, Environment, Event, TaskEntry, Trace

WAITS = Event(step=1, t=0, ev="await", task=1, site=0, nth=1)
WOKEN = Event(step=2, t=500_000_000, ev="wake", task=1, by=0)
ENDS = Event(step=3, t=500_000_000, ev="end", task=1, text="result")
TRACE = Trace(
    Environment("3.11.7"),
    Outcome(Status.PASSED),
    tasks=(TaskEntry("scenario"), TaskEntry("scenario/worker")),
    sites=(Site("Pool.acquire", "Future", "pool.py", 31),),
    events=(WAITS, WOKEN, ENDS),
)


def changed(**parts: object) -> Trace:
    return msgspec.structs.replace(TRACE, **parts)


def test_a_run_is_like_itself():
    assert divergence(TRACE, TRACE) is None


def test_a_moved_line_is_no_difference():
    assert divergence(TRACE, changed(sites=(Site("Pool.acquire", "Future", "elsewhere.py", 99),))) is None


def test_tasks_and_sites_are_compared_by_name_and_not_by_number():
    swapped = changed(
        tasks=(TaskEntry("scenario/worker"), TaskEntry("scenario")),
        sites=(Site("unused", "sleep"), Site("Pool.acquire", "Future")),
        events=(
            Event(step=1, t=0, ev="await", task=0, site=1, nth=1),
            Event(step=2, t=500_000_000, ev="wake", task=0, by=1),
            Event(step=3, t=500_000_000, ev="end", task=0, text="result"),
        ),
    )
    assert divergence(TRACE, swapped) is None


def test_the_first_different_event_is_told_with_both_sides():
    other = changed(events=(WAITS, msgspec.structs.replace(WOKEN, by=-1), ENDS))
    found = divergence(TRACE, other)
    assert found is not None
    assert found.step == 2
    assert found.expected == "step 2, 0.500 s: scenario/worker is woken by scenario"
    assert found.got == "step 2, 0.500 s: scenario/worker is woken"
    assert found.context == ("step 1, 0.000 s: scenario/worker waits at Pool.acquire>Future #1",)
    assert str(found).startswith("the runs differ at step 2: expected step 2")


def test_a_run_that_ends_earlier_differs_at_its_end():
    found = divergence(TRACE, changed(events=(WAITS, WOKEN)))
    assert found is not None
    assert (found.step, found.got) == (3, "the end of the run")


def test_only_the_last_events_before_the_difference_are_context():
    many = tuple(Event(step=n, t=0, ev="await", task=1, site=0, nth=n) for n in range(1, 20))
    found = divergence(changed(events=many), changed(events=(*many[:-1], ENDS)))
    assert found is not None
    assert len(found.context) == CONTEXT


def test_what_the_program_notes_is_no_difference():
    said = Event(step=1, t=0, ev="note", task=0, text="took 3 ms")
    also = Event(step=1, t=0, ev="note", task=0, text="took 4 ms")
    assert divergence(changed(events=(said,)), changed(events=(also,))) is None


def test_runs_without_events_are_told_apart_by_what_else_they_are():
    bare = changed(events=())
    fault = parse_fault("cancel worker @ Pool.acquire")
    for part, words in (
        ({"order": "batch"}, "order batch"),
        ({"faults": (fault,)}, "cancel worker @ Pool.acquire"),
        ({"choices": Choices(count=2)}, "2 order questions"),
        ({"outcome": Outcome(Status.CRASHED)}, "the outcome «crashed»"),
        ({"tasks": ()}, "0 tasks"),
    ):
        found = divergence(bare, msgspec.structs.replace(bare, **part))
        assert found is not None, part
        assert found.step == 0
        assert words in found.got
        assert str(found).startswith("the runs differ before the first step")


def test_every_kind_of_event_has_words():
    kinds = ("spawn", "await", "wake", "end", "time", "fault", "hold", "note")
    rows = [{"step": 1, "t": 0, "ev": kind, "task": 1, "by": 0, "site": 0, "nth": 1} for kind in kinds]
    lines = {event_in_words(TRACE, event) for event in msgspec.convert(rows, list[Event])}
    assert len(lines) == len(kinds)
