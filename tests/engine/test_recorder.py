"""Recording: what is kept when there is too much, and where faults landed."""

from faultloop.engine.recorder import HEAD, Recorder
from faultloop.model.points import AwaitPoint, Site
from faultloop.model.trace import Delivered, Event

ROWS_BETWEEN_CHECKS = 100


def record(recorder: Recorder, count: int) -> None:
    """Log so many events, with looks at the size in between, as a run does."""
    for step in range(1, count + 1):
        recorder.log((step, 0, "time", -1, -1, -1, 0, ""))
        if step % ROWS_BETWEEN_CHECKS == 0:
            recorder.check_size()


def steps(recorder: Recorder) -> list[int]:
    return [event.step for event in recorder.events()]


def test_everything_is_kept_within_the_limit():
    recorder = Recorder(1_500)
    record(recorder, 1_500)
    assert steps(recorder) == list(range(1, 1_501))
    assert recorder.dropped == 0


def test_past_the_limit_the_head_and_the_last_events_are_kept():
    recorder = Recorder(1_500)
    record(recorder, 10_000)
    assert steps(recorder) == [*range(1, HEAD + 1), *range(9_501, 10_001)]
    assert recorder.dropped == 10_000 - 1_500


def test_what_was_dropped_and_what_was_kept_is_everything():
    recorder = Recorder(1_200)
    record(recorder, 4_321)
    assert len(recorder.events()) + recorder.dropped == 4_321


def test_a_limit_below_the_head_still_keeps_the_last_event():
    recorder = Recorder(10)
    record(recorder, 3_000)
    assert steps(recorder)[-1] == 3_000


def test_a_fault_is_kept_with_its_point_and_told_among_the_events():
    recorder = Recorder(100)
    node = recorder.node("worker", None)
    point = AwaitPoint(node.path, "Pool.acquire", "Future", 2)
    recorder.fault(0, "cancel", point, node, step=7, t=5, note="")
    assert recorder.delivered == [Delivered(0, point, 7, 5)]
    assert recorder.events() == (Event(7, 5, "fault", 0, -1, -1, 2, "cancel"),)


def test_tasks_and_sites_are_numbered_in_order():
    recorder = Recorder(100)
    root = recorder.node("scenario", None)
    recorder.node("worker", root)
    assert [entry.path for entry in recorder.tasks()] == ["scenario", "scenario/worker"]
    assert [recorder.add_site(Site(name, "sleep")) for name in "ab"] == [0, 1]
