"""A run of a pool that loses a slot, as a trace made by hand: what the reports are asked to tell."""

import msgspec

from faultloop.model.faults import Address, Cancel, PlannedFault, Step
from faultloop.model.outcome import Finding, Outcome, Raised, Status, Waiting
from faultloop.model.points import AwaitPoint, Phase, Site
from faultloop.model.trace import Delivered, Environment, Event, Stats, Target, TaskEntry, Trace

SECOND = 1_000_000_000
FAULT = PlannedFault(Cancel(), Address("worker-2", "Pool.acquire", 1, Phase.WOKEN))
RACING = PlannedFault(Cancel(), Address("worker-2", "Pool.acquire", 1, Phase.RACING, Step("worker-1", "sleep", 2)))
SITES = (
    Site("scenario", "Queue.join", "test_queue.py", 27),
    Site("Conn.execute", "sleep", "lib/pool.py", 41),
    Site("Pool.acquire", "Future", "lib/pool.py", 20),
)
EVENTS = (
    Event(0, 0, "spawn", 0),
    Event(1, 0, "spawn", 1, by=0),
    Event(1, 0, "spawn", 2, by=0),
    Event(1, 0, "await", 0, site=0, nth=1),
    Event(2, 0, "await", 1, site=1, nth=1),
    Event(3, 0, "await", 2, site=2, nth=1),
    Event(3, SECOND // 10, "time"),
    Event(4, SECOND // 10, "wake", 1),
    Event(5, SECOND // 10, "wake", 2, by=1),
    Event(5, SECOND // 10, "await", 1, site=2, nth=1),
    Event(6, SECOND // 10, "fault", 2, nth=1, text="cancel"),
    Event(6, SECOND // 10, "end", 2, text="cancelled"),
    Event(6, 30 * SECOND, "time"),
    Event(7, 30 * SECOND, "wake", 0),
    Event(8, 30 * SECOND, "end", 0, text="TimeoutError"),
)
OUTCOME = Outcome(
    Status.VIOLATED,
    message="pool.in_use == 0: it is 1",
    raised=Raised("TimeoutError", "", "test_queue.py:26"),
    findings=(
        Finding("pool.in_use", "it is 1, expected 0", counts=True),
        Finding("leaked_tasks", "1 task left alive when the scenario ended", task="scenario/worker-1"),
    ),
    waiting=(
        Waiting("scenario", "Queue.join()", "test_queue.py:27", "task_done()", "scenario/worker-1"),
        Waiting("scenario/worker-1", "Pool.acquire()", "lib/pool.py:20", "release()"),
    ),
)
TRACE = Trace(
    env=Environment(python="3.12.1", hashseed="0"),
    outcome=OUTCOME,
    target=Target("tests/test_queue.py:all_jobs_done"),
    faults=(FAULT,),
    delivered=(Delivered(0, AwaitPoint("scenario/worker-2", "Pool.acquire", "Future", 1), 6, SECOND // 10),),
    tasks=(TaskEntry("scenario"), TaskEntry("scenario/worker-1"), TaskEntry("scenario/worker-2")),
    sites=SITES,
    events=EVENTS,
    stats=Stats(steps=20, virtual_ns=30 * SECOND),
    digest="sha256:6ba97af38375aa",
)


def but(**other: object) -> Trace:
    """The run with some parts of it otherwise."""
    return msgspec.structs.replace(TRACE, **other)
