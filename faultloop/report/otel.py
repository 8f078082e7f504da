"""A trace as OpenTelemetry spans, in OTLP's JSON encoding: what any collector takes in by a file or over HTTP.

Rule 1: pure, and without OpenTelemetry's packages: the encoding is a few plain objects.
Rule 2: the same trace gives the same bytes; trace and span ids are drawn from its digest.

A span for each task, under the one that made it; a span for each wait, under its task; who woke it is a link. A step is
told as a microsecond, as in `chrome`. The encoding: OpenTelemetry Protocol specification 1.x, «JSON Protobuf Encoding».
"""

from __future__ import annotations

import hashlib
from typing import Any

from faultloop.model.trace import Event, Trace
from faultloop.report.lanes import Lanes, Moment, Wait, lanes_of
from faultloop.report.words import clean, task_names

EPOCH_NS = 1_767_225_600 * 1_000_000_000
"""2026-01-01 in UTC, where the virtual wall clock of a run begins."""
_STEP_NS = 1_000
_INTERNAL, _OK, _ERROR = 1, 1, 2

Json = dict[str, Any]


def otel_spans(trace: Trace) -> Json:
    """The object to write as JSON: one `resourceSpans` with all spans of the run."""
    spans = _Spans(trace)
    attributes = _attributes(
        {
            "service.name": "faultloop",
            "faultloop.target": clean(trace.target.ref, 200),
            "faultloop.driver": trace.env.driver,
            "faultloop.order": trace.order,
            "faultloop.digest": trace.digest,
            "faultloop.status": str(trace.outcome.status),
        }
    )
    scope = {"name": "faultloop", "version": trace.faultloop}
    return {
        "resourceSpans": [
            {"resource": {"attributes": attributes}, "scopeSpans": [{"scope": scope, "spans": spans.all()}]}
        ]
    }


class _Spans:
    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._lanes: Lanes = lanes_of(trace)
        self._names = task_names(task.path for task in trace.tasks)
        self._id = hashlib.sha256(f"{trace.digest} {trace.target.ref}".encode()).hexdigest()[:32]

    def all(self) -> list[Json]:
        """Every task, then every wait."""
        marks: dict[int, list[Event]] = {}
        for number in self._lanes.marks:
            event = self._trace.events[number]
            marks.setdefault(max(event.task, 0), []).append(event)
        tasks = [self._task(number, marks.get(number, [])) for number in range(len(self._trace.tasks))]
        return [*tasks, *(self._wait(number, wait) for number, wait in enumerate(self._lanes.waits))]

    def _task(self, number: int, marks: list[Event]) -> Json:
        life, entry = self._lanes.lives[number], self._trace.tasks[number]
        failed = number == 0 and self._trace.outcome.status.is_failure
        status: Json = {"code": _ERROR, "message": clean(self._trace.outcome.message, 300)} if failed else {"code": _OK}
        return {
            "traceId": self._id,
            "spanId": self._span("task", number),
            "parentSpanId": self._span("task", life.by) if life.by >= 0 else "",
            "name": self._names[entry.path],
            "kind": _INTERNAL,
            "startTimeUnixNano": _nanoseconds(life.begin),
            "endTimeUnixNano": _nanoseconds(life.end or self._lanes.last, after=life.end is None),
            "attributes": _attributes({"faultloop.path": entry.path, "faultloop.end": life.how or "never ended"}),
            "events": [_event(event) for event in marks],
            "status": status,
        }

    def _wait(self, number: int, wait: Wait) -> Json:
        site = self._trace.sites[wait.site] if wait.site >= 0 else None
        said: dict[str, str | int] = {"faultloop.nth": wait.nth, "faultloop.fate": wait.fate}
        if site is not None:
            said |= {"code.function": site.function, "code.filepath": site.file, "code.lineno": site.line}
        link = {
            "traceId": self._id,
            "spanId": self._span("task", wait.by),
            "attributes": _attributes({"link": "woken by"}),
        }
        return {
            "traceId": self._id,
            "spanId": self._span("wait", number),
            "parentSpanId": self._span("task", wait.task),
            "name": f"await {clean(site.awaited, 60)}" if site is not None else "await",
            "kind": _INTERNAL,
            "startTimeUnixNano": _nanoseconds(wait.begin),
            "endTimeUnixNano": _nanoseconds(wait.end or self._lanes.last, after=wait.end is None),
            "attributes": _attributes(said),
            "links": [link] if wait.by >= 0 else [],
            "status": {"code": _ERROR, "message": "never went on"} if wait.fate == "open" else {"code": _OK},
        }

    def _span(self, kind: str, number: int) -> str:
        return hashlib.sha256(f"{self._id} {kind} {number}".encode()).hexdigest()[:16]


def _event(event: Event) -> Json:
    at = str(EPOCH_NS + event.t + event.step * _STEP_NS)
    return {"timeUnixNano": at, "name": f"{event.ev} {clean(event.text, 200)}".rstrip(), "attributes": []}


def _nanoseconds(moment: Moment, *, after: bool = False) -> str:
    """A moment as OTLP writes it: a 64-bit number as text."""
    return str(EPOCH_NS + moment.t + (moment.step + after) * _STEP_NS)


def _attributes(said: dict[str, str | int] | dict[str, str]) -> list[Json]:
    return [
        {"key": key, "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}}
        for key, value in said.items()
    ]
