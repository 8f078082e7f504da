"""Values of the model, for property tests: whatever its types allow and its rules do not forbid."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from faultloop.model.faults import Address, Cancel, Crash, Delay, Expire, Fail, Fault, Pause, PlannedFault, Step
from faultloop.model.outcome import Finding, Outcome, Raised, Status, Waiting
from faultloop.model.points import AwaitPoint, Phase, Site
from faultloop.model.trace import Choices, Delivered, Departure, Environment, Event, Stats, Target, TaskEntry, Trace
from tests.support.length import times

PROPERTY = settings(deadline=None, max_examples=times(60), suppress_health_check=[HealthCheck.too_slow])
"""On a test over whole traces: no verdict may depend on how busy the machine is."""

INT = st.integers(0, 2**62)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NAME = st.one_of(
    st.sampled_from(
        ["worker-1", "a/b", "Pool.acquire", "f>g", "parked", "woken", "racing", "start", "#1", '"', "\\", "@", ""]
    ),
    TEXT,
)
ERROR = st.sampled_from(["OSError", "mypkg.errors.Refused", "TimeoutError"])
NTH = st.integers(1, 999_999_999)


def steps() -> st.SearchStrategy[Step]:
    return st.builds(Step, task=NAME, where=NAME, nth=NTH)


def addresses(*, racing: bool = True) -> st.SearchStrategy[Address]:
    calm = st.builds(Address, task=NAME, where=NAME, nth=NTH, phase=st.sampled_from([Phase.PARKED, Phase.WOKEN]))
    if not racing:
        return calm
    return calm | st.builds(Address, task=NAME, where=NAME, nth=NTH, phase=st.just(Phase.RACING), racing=steps())


def planned_faults() -> st.SearchStrategy[PlannedFault]:
    anywhere: st.SearchStrategy[Fault] = st.builds(Cancel, via=st.sampled_from(["auto", "task", "scope"])) | st.builds(
        Fail, error=ERROR
    )
    anywhere |= st.builds(Crash, restart=st.integers(0, 2**53)) | st.builds(Pause, nanoseconds=st.integers(1, 2**53))
    # A double holds every duration up to 2**53 units exactly, which is how the text of one is read.
    at_wakeup = st.just(Expire()) | st.builds(Delay, nanoseconds=st.integers(1, 2**53))
    return st.builds(PlannedFault, anywhere, addresses()) | st.builds(PlannedFault, at_wakeup, addresses(racing=False))


@st.composite
def choices(draw: st.DrawFn) -> Choices:
    indexes = sorted(draw(st.sets(st.integers(0, 10_000), max_size=20)))
    picks = tuple((index, answer := draw(st.integers(1, 50)), answer + draw(st.integers(1, 50))) for index in indexes)
    moment = st.tuples(NAME, st.integers(1, 9))
    departure = st.builds(Departure, moment, moment, st.booleans(), st.none() | st.booleans())
    return Choices(
        count=(indexes[-1] + 1 if indexes else 0) + draw(st.integers(0, 5)),
        picks=picks,
        base=draw(st.sampled_from(["picks", "oldest", "run-on"])),
        departures=tuple(draw(st.lists(departure, max_size=3))),
        blocks=tuple(draw(st.lists(moment, max_size=3))),
    )


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    """A trace that may be written and read: its indexes point at something."""
    tasks = tuple(draw(st.lists(st.builds(TaskEntry, path=NAME, coroutine=NAME), max_size=4)))
    sites = tuple(
        draw(st.lists(st.builds(Site, function=NAME, awaited=NAME, file=TEXT, line=st.integers(0, 9999)), max_size=4))
    )
    event = st.builds(
        Event,
        step=INT,
        t=INT,
        ev=st.sampled_from(["spawn", "await", "wake", "end", "time", "fault", "hold", "note"]),
        task=st.integers(-1, len(tasks) - 1),
        by=st.integers(-1, len(tasks) - 1),
        site=st.integers(-1, len(sites) - 1),
        nth=INT,
        text=TEXT,
    )
    faults = tuple(draw(st.lists(planned_faults(), max_size=3)))
    point = st.builds(AwaitPoint, task=NAME, function=NAME, awaited=NAME, nth=NTH)
    landed = st.builds(Delivered, plan=st.integers(0, len(faults) - 1), point=point, step=INT, t=INT, note=TEXT)
    return Trace(
        env=draw(st.builds(Environment, python=TEXT, hashseed=st.sampled_from(["random", "0", "4294967295"]))),
        outcome=draw(outcomes()),
        target=draw(st.builds(Target, ref=TEXT)),
        seed=draw(st.none() | INT),
        order=draw(st.sampled_from(["fifo", "batch", "any"])),
        faults=faults,
        choices=draw(choices()),
        delivered=tuple(draw(st.lists(landed, max_size=2))) if faults else (),
        tasks=tasks,
        sites=sites,
        events=tuple(draw(st.lists(event, max_size=12))),
        stats=draw(st.builds(Stats, steps=INT, virtual_ns=INT)),
        digest=draw(TEXT),
    )


def outcomes() -> st.SearchStrategy[Outcome]:
    finding = st.builds(Finding, check=NAME, message=TEXT, counts=st.booleans(), task=NAME, place=TEXT)
    waiting = st.builds(Waiting, task=NAME, where=NAME, place=TEXT, needs=TEXT, owner=NAME)
    return st.builds(
        Outcome,
        status=st.sampled_from(Status),
        message=TEXT,
        raised=st.none() | st.builds(Raised, type=NAME, message=TEXT, place=TEXT),
        findings=st.lists(finding, max_size=5).map(tuple),
        waiting=st.lists(waiting, max_size=8).map(tuple),
    )
