"""`show`, `diff` and the summary of an exploration, in words."""

import msgspec
from hypothesis import given

from faultloop.model.points import Site
from faultloop.model.trace import Event, Stats, Trace
from faultloop.report.difference import difference_text, first_difference
from faultloop.report.summary import Tried, summary
from faultloop.report.timeline import LINES_MAX, View, timeline
from tests.model.strategies import PROPERTY, traces
from tests.report.support import EVENTS, SECOND, SITES, TRACE, but


def test_the_timeline_tells_each_event_in_order():
    lines = timeline(TRACE).split("\n")
    table = lines[lines.index("   step     virtual  task      what") + 1 :]
    assert table[:8] == [
        "      0       0.000  scenario  begins",
        "      1       0.000  worker-1  made by scenario",
        "      1       0.000  worker-2  made by scenario",
        "      1       0.000  scenario  waits scenario #1  test_queue.py:27",
        "      2       0.000  worker-1  waits Conn.execute #1  lib/pool.py:41",
        "      3       0.000  worker-2  waits Pool.acquire #1  lib/pool.py:20",
        "      3       0.100            ── 0.100 s ──",
        "      4       0.100  worker-1  woken",
    ]
    assert len(table) == len(EVENTS)


def test_the_head_says_what_it_is_a_trace_of():
    head = timeline(TRACE)
    for said in (
        "target     tests/test_queue.py:all_jobs_done",
        "recorded   cpython 3.12.1, asyncio, order fifo, hash seed 0",
        "fault      cancel worker-2 @ Pool.acquire #1 woken",
        "outcome    violated: pool.in_use == 0: it is 1",
        "size       20 steps, 30.000 s virtual, 3 tasks",
    ):
        assert said in head


def test_a_view_of_one_task_counts_what_it_leaves_out():
    told = timeline(TRACE, View(task="worker-2"))
    assert "waits Conn.execute" not in told
    assert "waits Pool.acquire #1" in told
    assert f"10 of {len(EVENTS)} events do not match" in told


def test_a_view_around_a_step_shows_only_near_ones():
    far = but(events=(*EVENTS, Event(500, 99 * SECOND, "note", 0, text="far away")))
    assert "far away" not in timeline(far, View(around=5))
    assert "far away" in timeline(far, View(around=495))


def test_a_long_timeline_is_cut_in_the_middle_unless_all_is_wanted():
    long = but(events=tuple(Event(n, n, "wake", 0) for n in range(1_000)), stats=Stats(events_dropped=12))
    assert f"… {1_000 - LINES_MAX:,} events not shown here; all of them: --full" in timeline(long)
    assert timeline(long, View(full=True)).count("scenario  woken") == 1_000
    assert "12 events from the middle were not kept" in timeline(long)


def test_a_trace_without_events_says_so():
    assert "keeps no events" in timeline(but(events=()))


@PROPERTY
@given(traces())
def test_any_trace_has_a_timeline_without_control_characters(trace: Trace):
    assert all(line.isprintable() for line in timeline(trace).split("\n"))


# Difference


@PROPERTY
@given(traces())
def test_a_trace_does_not_differ_from_itself(trace: Trace):
    assert first_difference(trace, trace) is None


def test_a_moved_line_is_no_difference():
    moved = tuple(msgspec.structs.replace(site, line=site.line + 10) for site in SITES)
    assert first_difference(TRACE, but(sites=moved)) is None


def test_another_numbering_of_the_same_sites_is_no_difference():
    shifted = tuple(msgspec.structs.replace(e, site=e.site + 1) if e.site >= 0 else e for e in EVENTS)
    assert first_difference(TRACE, but(sites=(Site("x", "y"), *SITES), events=shifted)) is None


def test_the_first_difference_is_told_with_both_sides_and_what_was_alike():
    other = but(events=(*EVENTS[:8], Event(5, SECOND // 10, "wake", 0, by=1), *EVENTS[9:]))
    told = difference_text("a.json", "b.json", first_difference(TRACE, other))
    assert told.split("\n") == [
        "The first difference is in: event 9.",
        "",
        "    alike  step 3, 0.000 s: worker-2 waits Pool.acquire #1  lib/pool.py:20",
        "    alike  step 3, 0.100 s: the clock moves on",
        "    alike  step 4, 0.100 s: worker-1 woken",
        "    left   step 5, 0.100 s: worker-2 woken by worker-1",
        "    right  step 5, 0.100 s: scenario woken by worker-1",
        "",
        "  left is a.json, right is b.json",
    ]


def test_a_run_that_ends_earlier_differs_where_it_ends():
    difference = first_difference(TRACE, but(events=EVENTS[:-1]))
    assert difference is not None
    assert (difference.number, difference.right) == (len(EVENTS), "(the run had ended)")


def test_without_events_the_parts_are_compared():
    difference = first_difference(but(events=()), but(events=(), order="any"))
    assert difference is not None
    assert (difference.what, difference.left, difference.right) == ("order", "fifo", "any")
    assert "No difference" in difference_text("a", "b", first_difference(but(events=()), but(events=())))


# Summary


def tried(**other: object) -> Tried:
    calm = Tried("s.py:main", "passed", "", 14, 7, 0.5, ("cancel", "expire"), 0, points_tried=7)
    return Tried(**{**{name: getattr(calm, name) for name in Tried.__slots__}, **other})


def test_nothing_found_claims_no_more_than_was_tried():
    told = summary(tried(not_tried=("3 x a bare yield cannot fail", "a", "b", "c"), exhausted=("every single fault",)))
    assert told.split("\n") == [
        "s.py:main: nothing found in what was tried.",
        "  tried      14 runs: cancel, expire at 7 await points, 0.50 s",
        "  complete   every single fault",
        "  not tried  3 x a bare yield cannot fail",
        "             a",
        "             b",
        "             … and 1 more",
    ]


def test_await_points_that_no_fault_hit_are_not_claimed():
    assert "14 runs: cancel at 3 of 7 await points, " in summary(tried(faults=("cancel",), points_tried=3))
    assert "14 runs: no faults at 7 await points, " in summary(tried(faults=(), points_tried=0))
    net = tried(faults=(), points_tried=0, schedules=5, drawn=("net:reset",))
    assert "14 runs: no faults at 7 await points, net:reset drawn, 5 orders, " in summary(net)


def test_failures_are_counted_and_their_stories_follow():
    told = summary(tried(status="violated", failures=2, first_failure_run=3), ["first story", "second story"])
    assert told.startswith("s.py:main: 2 different failures (the first in run 3).")
    assert "── 1 of 2 ──" in told
    assert told.endswith("second story")


def test_whom_the_faults_hit_is_told_where_it_was_more_than_one():
    hits = (("serve", 9), ("victim", 2), ("main", 1), ("a", 1), ("b", 1), ("c", 1))
    told = summary(tried(status="violated", failures=12, hits=hits)).splitlines()
    assert told[2:] == [
        "  hit        serve in 9, victim in 2, main in 1, a in 1, 2 other tasks; --tasks NAME hits that one",
        "             alone",
    ]
    assert "hit " not in summary(tried(status="violated", failures=2, hits=hits[:1]))


def test_what_cannot_be_told_says_why():
    told = summary(tried(status="inconclusive", reason="the scenario fails without any fault"))
    assert told.startswith("s.py:main: cannot tell.")
    assert "because    the scenario fails without any fault" in told
