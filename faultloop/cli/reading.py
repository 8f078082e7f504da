"""`show`, `diff` and `schema`: commands that read or write files and run nothing."""

from __future__ import annotations

from pathlib import Path

import msgspec

from faultloop.cli.arguments import Options
from faultloop.cli.codes import CANNOT_TELL, FOUND_NOTHING
from faultloop.cli.console import Console
from faultloop.cli.project import TRACES, project_root, shown_path
from faultloop.errors import UsageError
from faultloop.model.address import format_fault
from faultloop.report.difference import difference_text, first_difference
from faultloop.report.timeline import View, event_records, events_shown, timeline, unmatched
from faultloop.search.tracefile import load_trace, newest_trace, trace_schema


def show_verb(options: Options, console: Console) -> int:
    """The events of a trace as a table, the newest one if none is named."""
    trace = load_trace(options.trace or newest_trace(project_root("") / TRACES))
    view = View(task=options.task, around=options.around, full=options.full)
    if problem := unmatched(trace, view):
        raise UsageError(problem)
    console.say(timeline(trace, view))
    console.result(
        {
            "target": trace.target.ref,
            "status": str(trace.outcome.status),
            "message": trace.outcome.message,
            "faults": [format_fault(planned) for planned in trace.faults],
            "deviations": trace.deviations,
            "order": trace.order,
            "steps": trace.stats.steps,
            "events": len(trace.events),
            "digest": trace.digest,
            "shown": event_records(trace, events_shown(trace, view)),
        }
    )
    return FOUND_NOTHING


def diff_verb(options: Options, console: Console) -> int:
    """The first difference of two traces; exit code 3 when there is one."""
    left, right = load_trace(options.trace), load_trace(options.other)
    difference = first_difference(left, right)
    names = shown_path(Path(options.trace)), shown_path(Path(options.other))
    console.say(difference_text(*names, difference))
    console.result(
        {"same": True}
        if difference is None
        else {
            "same": False,
            "what": difference.what,
            "event": difference.number,
            "left": difference.left,
            "right": difference.right,
        }
    )
    return FOUND_NOTHING if difference is None else CANNOT_TELL


def schema_verb(options: Options, console: Console) -> int:
    """The JSON Schema of a trace, to a file or to standard output."""
    console.deliver(schema_text().encode(), Path(options.out or "-"))
    return FOUND_NOTHING


def schema_text() -> str:
    """The schema as it is published, indented, with a newline at its end."""
    return msgspec.json.format(msgspec.json.encode(trace_schema()), indent=2).decode() + "\n"
