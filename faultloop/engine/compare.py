"""Where two recorded runs first differ. Pure; events are compared by names, so that a moved line is no difference."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest

from faultloop.model.address import format_fault
from faultloop.model.faults import NANOSECONDS
from faultloop.model.text import counted
from faultloop.model.trace import Event, Trace

CONTEXT = 3


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first thing in which two runs are not alike.

    step: the number of the step, or 0 when the runs differ in something else than an event.
    expected, got: both sides in words.   context: the last events that are alike, in words.
    """

    step: int
    expected: str
    got: str
    context: tuple[str, ...] = ()

    def __str__(self) -> str:
        where = f"at step {self.step}" if self.step else "before the first step"
        return f"the runs differ {where}: expected {self.expected}; got {self.got}"


def divergence(expected: Trace, got: Trace) -> Divergence | None:
    """The first difference between a recorded run and another one, or None."""
    pairs = zip_longest(expected.events, got.events) if expected.events and got.events else ()
    for number, (a, b) in enumerate(pairs):
        if a is None or b is None or _essence(expected, a) != _essence(got, b):
            context = tuple(event_in_words(expected, e) for e in expected.events[max(number - CONTEXT, 0) : number])
            step = min(event.step for event in (a, b) if event is not None)
            return Divergence(step, event_in_words(expected, a), event_in_words(got, b), context)
    for a_part, b_part in zip(_parts(expected), _parts(got), strict=True):
        if a_part != b_part:
            return Divergence(0, a_part, b_part)
    return None


def _parts(trace: Trace) -> list[str]:
    return [
        f"order {trace.order}",
        "faults " + ("; ".join(format_fault(planned) for planned in trace.faults) or "none"),
        f"{counted(trace.choices.count, 'order question')}, answered other than 0: {list(trace.choices.picks[:10])}",
        f"the outcome «{trace.outcome.status.value}»",
        counted(len(trace.tasks), "task"),
        trace.digest,
    ]


def _essence(trace: Trace, event: Event) -> tuple[object, ...]:
    return (
        event.step,
        event.t,
        event.ev,
        _task(trace, event.task),
        _task(trace, event.by),
        _where(trace, event),
        event.nth,
        event.essence,
    )


def _task(trace: Trace, index: int) -> str:
    return trace.tasks[index].path if 0 <= index < len(trace.tasks) else ""


def _where(trace: Trace, event: Event) -> str:
    if not 0 <= event.site < len(trace.sites):
        return ""
    site = trace.sites[event.site]
    return f"{site.function}>{site.awaited}"


def event_in_words(trace: Trace, event: Event | None) -> str:
    """An event as a line of a run's history."""
    if event is None:
        return "the end of the run"
    task, by, where = _task(trace, event.task), _task(trace, event.by), _where(trace, event)
    clock = f"{event.t / NANOSECONDS:.3f} s"
    match event.ev:
        case "spawn":
            what = f"{task} is made" + (f" by {by}" if by else "")
        case "await":
            what = f"{task} waits at {where} #{event.nth}"
        case "wake":
            what = f"{task} is woken" + (f" by {by}" if by else "")
        case "end":
            what = f"{task} ends: {event.text}"
        case "time":
            what = "time moves"
        case "fault":
            what = f"{task} is hit: {event.text}"
        case "hold":
            what = f"{task} is held back"
        case "note":
            what = f"{task} notes: {event.text}" if task else event.text
    return f"step {event.step}, {clock}: {what}"
