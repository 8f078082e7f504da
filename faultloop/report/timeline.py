"""Every event of a trace as a table, for `show`.

Rule 1: pure. Rule 2: what was left out is counted at the place where it is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from faultloop.model.address import format_fault, task_matches
from faultloop.model.text import counted
from faultloop.model.trace import Event, Trace
from faultloop.report.orders import departure_lines
from faultloop.report.story import sentence
from faultloop.report.table import event_words
from faultloop.report.words import WIDTH, clean, extent_words, fit, picks_words, seconds, task_names

LINES_MAX = 200
STEPS_AROUND = 10
TASKS_NAMED = 12


@dataclass(frozen=True, slots=True)
class View:
    """Which events to show. task: a pattern.   around: only steps near this one.   full: however many there are."""

    task: str = ""
    around: int | None = None
    full: bool = False


def timeline(trace: Trace, view: View | None = None, *, width: int = WIDTH) -> str:
    """The head of a trace, and a table of its events."""
    view = view or View()
    names = task_names(task.path for task in trace.tasks)
    lines = [*_head(trace, names), ""]
    if not trace.events:
        return "\n".join(
            [*lines, "  This trace keeps no events, only the deviations of its run. Replay it to see it run."]
        )
    shown = events_shown(trace, view)
    column = min(max((len(names[trace.tasks[e.task].path]) for e in shown if e.task >= 0), default=4), 32)
    lines.append(f"   step     virtual  {'task':<{column}}  what")
    kept = shown if view.full or len(shown) <= LINES_MAX else None
    if kept is not None:
        lines += [_line(trace, event, names, column) for event in kept]
    else:
        half = LINES_MAX // 2
        lines += [_line(trace, event, names, column) for event in shown[:half]]
        lines.append(f"          … {counted(len(shown) - 2 * half, 'event')} not shown here; all of them: --full")
        lines += [_line(trace, event, names, column) for event in shown[-half:]]
    if len(shown) < len(trace.events):
        left_out = len(trace.events) - len(shown)
        do = "does" if left_out == 1 else "do"
        lines.append(f"  {left_out:,} of {counted(len(trace.events), 'event')} {do} not match")
    if trace.stats.events_dropped:
        dropped = trace.stats.events_dropped
        was = "was" if dropped == 1 else "were"
        lines.append(f"  {counted(dropped, 'event')} from the middle {was} not kept in the file")
    return "\n".join(line if view.full else fit(line, width) for line in lines)


def events_shown(trace: Trace, view: View) -> list[Event]:
    """The events that match, in order."""
    return [event for event in trace.events if _is_shown(trace, event, view)]


def event_records(trace: Trace, events: Sequence[Event]) -> list[dict[str, object]]:
    """The same for machines: step, virtual nanoseconds, the task as the table calls it, and what happened."""
    names = task_names(task.path for task in trace.tasks)
    return [
        {
            "step": event.step,
            "virtual_ns": event.t,
            "task": names[trace.tasks[event.task].path] if event.task >= 0 else "",
            "event": event.ev,
            "what": event_words(trace, event, names),
        }
        for event in events
    ]


def unmatched(trace: Trace, view: View) -> str:
    """Why no event of a trace matches, in a sentence; empty when some do, or when there are none at all."""
    if not trace.events or events_shown(trace, view):
        return ""
    if view.task and not any(task_matches(view.task, task.path) for task in trace.tasks):
        names = [clean(name, 60) for name in task_names(task.path for task in trace.tasks).values()]
        more = f" and {len(names) - TASKS_NAMED:,} more" if len(names) > TASKS_NAMED else ""
        return f'no task matches "{view.task}". Tasks of this trace: {", ".join(names[:TASKS_NAMED])}{more}.'
    if view.around is not None:
        steps = f"its steps are {trace.events[0].step} to {trace.events[-1].step}"
        return (
            f"no event{' of these tasks' if view.task else ''} is within {STEPS_AROUND} of step {view.around}: {steps}."
        )
    return f'no event of "{view.task}" was kept in this trace.'


def _head(trace: Trace, names: dict[str, str]) -> Iterator[str]:
    yield sentence(trace, names)
    yield ""
    env = trace.env
    yield f"  target     {clean(trace.target.ref, 200) or '(a callable without a name)'}"
    python = f"{clean(env.implementation, 20)} {clean(env.python, 20)}"
    seed = "" if trace.seed is None else f", seed {trace.seed}"
    where = f"{python}, {clean(env.driver, 20)}"
    yield f"  recorded   {where}, order {trace.order}{seed}, hash seed {clean(env.hashseed, 20)}"
    for planned in trace.faults:
        yield f"  fault      {clean(format_fault(planned), 200)}"
    if told := departure_lines(trace, task_names(task.path for task in trace.tasks)):
        yield from (f"  {'' if number else 'order':<10} {line}" for number, line in enumerate(told))
    elif trace.choices.picks:
        yield f"  order      {picks_words(trace.choices)}"
    said = f": {clean(trace.outcome.message, 200)}" if trace.outcome.message else ""
    yield f"  outcome    {trace.outcome.status}{said}"
    yield f"  size       {extent_words(trace)}"
    yield f"  digest     {clean(trace.digest, 80) or '(none)'}"


def _is_shown(trace: Trace, event: Event, view: View) -> bool:
    if view.around is not None and abs(event.step - view.around) > STEPS_AROUND:
        return False
    if not view.task:
        return True
    tasks = [trace.tasks[number].path for number in (event.task, event.by) if number >= 0]
    return any(task_matches(view.task, path) for path in tasks)


def _line(trace: Trace, event: Event, names: dict[str, str], column: int) -> str:
    task = names[trace.tasks[event.task].path] if event.task >= 0 else ""
    what = event_words(trace, event, names) or f"── {seconds(event.t)} s ──"
    return f"  {event.step:5}  {seconds(event.t):>10}  {fit(task, column):<{column}}  {what}".rstrip()
