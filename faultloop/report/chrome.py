"""A trace in the trace-event format, which Perfetto, chrome://tracing and speedscope read.

Rule 1: pure. Rule 2: what those tools need: slices of one track do not overlap, flows come in pairs, each end inside a
slice of its track.

A step takes no virtual time, and a slice without length is not drawn: each step is drawn as a microsecond, so a moment
is at `virtual time + step` microseconds. The format: «Trace Event Format», Google, the document of catapult's trace
viewer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from faultloop.model.trace import Trace
from faultloop.report.lanes import Lanes, Moment, Wait, flows, lanes_of
from faultloop.report.words import clean, task_names

PID = 1
_RAN = 0.5
"""How long before its end, in microseconds, a step is drawn to begin."""
_WOKE = 0.25
"""How long before its end a step is drawn to wake others."""
_ARRIVES = 0.1
"""How long after that the one who is woken is drawn to hear of it."""

TraceEvent = dict[str, Any]


def chrome_trace(trace: Trace) -> dict[str, Any]:
    """The object to write as JSON: `displayTimeUnit` and `traceEvents`."""
    lanes = lanes_of(trace)
    events = [*_names(trace), *_slices(trace, lanes), *_flows(lanes), *_instants(trace, lanes)]
    return {"displayTimeUnit": "ms", "traceEvents": events}


def _names(trace: Trace) -> Iterator[TraceEvent]:
    names = task_names(task.path for task in trace.tasks)
    title = f"faultloop {clean(trace.target.ref, 200)} (1 µs a step added)".replace("  ", " ")
    yield {"ph": "M", "pid": PID, "tid": 0, "name": "process_name", "args": {"name": title}}
    for number, task in enumerate(trace.tasks):
        said = {"pid": PID, "tid": number + 1, "ph": "M"}
        yield {**said, "name": "thread_name", "args": {"name": names[task.path]}}
        yield {**said, "name": "thread_sort_index", "args": {"sort_index": number + 1}}


def _slices(trace: Trace, lanes: Lanes) -> Iterator[TraceEvent]:
    for task, moment in lanes.turns:
        begin = _microseconds(moment) - _RAN
        yield _slice(task, begin, _RAN, "step", "step", {"step": moment.step})
    for wait in lanes.waits:
        begin = _microseconds(wait.begin)
        end = _microseconds(wait.end) - _RAN if wait.end is not None else _microseconds(lanes.last) + 1
        where: dict[str, Any] = {"nth": wait.nth, "fate": wait.fate, "step": wait.begin.step}
        name = "await"
        if wait.site >= 0:
            site = trace.sites[wait.site]
            name = f"await {clean(site.function, 60)} > {clean(site.awaited, 60)}"
            where["site"] = clean(site.place, 200)
        yield _slice(wait.task, begin, end - begin, name, "await", where)


def _slice(task: int, begin: float, length: float, name: str, category: str, args: dict[str, Any]) -> TraceEvent:
    return {
        "ph": "X",
        "pid": PID,
        "tid": task + 1,
        "ts": round(begin, 3),
        "dur": round(length, 3),
        "name": name,
        "cat": category,
        "args": args,
    }


def _flows(lanes: Lanes) -> Iterator[TraceEvent]:
    ran = {(task, moment.step) for task, moment in lanes.turns}
    for number, wait in enumerate(_paired(flows(lanes.waits), ran), start=1):
        assert wait.woken is not None, wait
        at = _microseconds(wait.woken) - _WOKE
        said = {"pid": PID, "id": number, "name": "wake", "cat": "wake"}
        yield {"ph": "s", **said, "tid": wait.by + 1, "ts": round(at, 3)}
        yield {"ph": "f", "bp": "e", **said, "tid": wait.task + 1, "ts": round(at + _ARRIVES, 3)}


def _paired(waits: list[Wait], ran: set[tuple[int, int]]) -> Iterator[Wait]:
    """Those whose waker has a step that the flow can begin in, and who were waiting before it."""
    for wait in waits:
        if wait.woken is not None and (wait.by, wait.woken.step) in ran and wait.begin.step < wait.woken.step:
            yield wait


def _instants(trace: Trace, lanes: Lanes) -> Iterator[TraceEvent]:
    for number in lanes.marks:
        event = trace.events[number]
        at = round(event.t / 1000 + event.step, 3)
        name = f"{event.ev.upper()} {clean(event.text, 120)}".rstrip()
        scope = "t" if event.task >= 0 else "p"
        yield {"ph": "i", "s": scope, "pid": PID, "tid": event.task + 1, "ts": at, "name": name, "cat": event.ev}
    if trace.outcome.status.is_failure:
        name = f"{str(trace.outcome.status).upper()} {clean(trace.outcome.message, 200)}".rstrip()
        at = round(_microseconds(lanes.last) + 1, 3)
        yield {"ph": "i", "s": "g", "pid": PID, "tid": 0, "ts": at, "name": name, "cat": "violation"}


def _microseconds(moment: Moment) -> float:
    return moment.t / 1000 + moment.step
