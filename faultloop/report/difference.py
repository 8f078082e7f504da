"""Where two traces first differ.

Rule 1: pure. Rule 2: events are compared by names (task path, function, awaited): a moved line is no difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest

from faultloop.model.address import format_fault
from faultloop.model.trace import Event, Trace
from faultloop.report.table import event_words
from faultloop.report.words import WIDTH, clean, fit, seconds, task_names

CONTEXT = 3


@dataclass(frozen=True, slots=True)
class Difference:
    """The first thing in which two traces are not alike.

    what: `event`, or the part of the trace.   number: of the event, from 1; 0 otherwise.
    left, right: both sides, in words.   context: the last events that are alike.
    """

    what: str
    number: int
    left: str
    right: str
    context: tuple[str, ...] = ()


def first_difference(left: Trace, right: Trace) -> Difference | None:
    """The first difference: in the events, if both kept them, or else in what was asked and what came out."""
    for number, (a, b) in enumerate(zip_longest(left.events, right.events)) if left.events and right.events else ():
        if a is None or b is None or _essence(left, a) != _essence(right, b):
            before = left.events[max(number - CONTEXT, 0) : number]
            context = tuple(_words(left, event) for event in before)
            return Difference("event", number + 1, _words(left, a), _words(right, b), context)
    return next((Difference(what, 0, a, b) for what, a, b in _parts(left, right) if a != b), None)


def difference_text(left: str, right: str, difference: Difference | None, *, width: int = WIDTH) -> str:
    """What a person reads. left, right: what the two traces are called."""
    if difference is None:
        return f"No difference: {left} and {right} tell the same run."
    place = f"event {difference.number}" if difference.number else difference.what
    lines = [f"The first difference is in: {place}.", ""]
    lines += [f"    alike  {line}" for line in difference.context]
    lines += [f"    left   {difference.left}", f"    right  {difference.right}", ""]
    lines += [f"  left is {left}, right is {right}"]
    return "\n".join(fit(line, width) for line in lines)


def _parts(left: Trace, right: Trace) -> list[tuple[str, str, str]]:
    return [(what, a, b) for (what, a), (_, b) in zip(_described(left), _described(right), strict=True)]


def _described(trace: Trace) -> list[tuple[str, str]]:
    raised = trace.outcome.raised
    return [
        ("target", clean(trace.target.ref, 200)),
        ("order", trace.order),
        ("faults", "; ".join(clean(format_fault(planned), 200) for planned in trace.faults) or "none"),
        ("choices", f"{trace.choices.count} asked, not calm: {clean(str(trace.choices.picks[:20]), 200)}"),
        ("outcome", f"{trace.outcome.status} {clean(raised.type, 80) if raised else ''}".rstrip()),
        ("digest", clean(trace.digest, 80)),
    ]


def _essence(trace: Trace, event: Event) -> tuple[object, ...]:
    site = trace.sites[event.site] if event.site >= 0 else None
    where = (site.function, site.awaited) if site else ()
    task = trace.tasks[event.task].path if event.task >= 0 else ""
    by = trace.tasks[event.by].path if event.by >= 0 else ""
    return (event.step, event.t, event.ev, task, by, where, event.nth, event.essence)


def _words(trace: Trace, event: Event | None) -> str:
    if event is None:
        return "(the run had ended)"
    names = task_names(task.path for task in trace.tasks)
    task = names[trace.tasks[event.task].path] if event.task >= 0 else "the clock"
    return f"step {event.step}, {seconds(event.t)} s: {task} {event_words(trace, event, names) or 'moves on'}"
