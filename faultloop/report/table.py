"""The steps around a fault, side by side: one column for each task that has a part in it.

Rule 1: pure. It reads a trace's events; a trace that kept none has no table.
Rule 2: few lines. What does not touch the fault's task, a task that wakes it, or the scenario itself is left out.
"""

from __future__ import annotations

from faultloop.model.trace import Delivered, Event, Trace
from faultloop.report.orders import Steps
from faultloop.report.words import clean, fit, seconds

BEFORE, AFTER = 4, 4
COLUMNS_MAX = 3
_HEAD = "   step   virtual  "
_ROOT = 0
"""The first task of a trace is the scenario's own."""


def step_table(trace: Trace, names: dict[str, str], width: int) -> list[str]:
    """The lines of the table, its head first; empty when the trace has no fault, or no events near it.

    Where there was no fault but an order, it stands around the last step of it.
    """
    if trace.delivered:
        centre = _index_of_fault(trace, trace.delivered[0])
        partners: list[int] = []
    else:
        centre, partners = _index_of_order(trace)
    if centre is None:
        return []
    columns = _columns(trace, centre, partners)
    rows = [number for number, event in enumerate(trace.events) if event.task in columns]
    before = [number for number in rows if number < centre][-BEFORE:]
    after = [number for number in rows if number > centre]
    # However far away, the scenario's end belongs to what the fault did.
    shown = [*before, centre, *after[:AFTER], *[n for n in after[AFTER:] if _ends_scenario(trace.events[n])]]
    cells = [(number, columns.index(trace.events[number].task)) for number in shown]
    texts = {number: event_words(trace, trace.events[number], names, short=True) for number in shown}
    heads = [names.get(trace.tasks[task].path, "?") for task in columns]
    natural = [max(len(head), *(len(texts[n]) for n, c in cells if c == at), 0) for at, head in enumerate(heads)]
    room = _shrunk(natural, width - len(_HEAD) - 2 * len(columns))
    lines = [_HEAD + "  ".join(fit(head, room[at]).ljust(room[at]) for at, head in enumerate(heads)).rstrip()]
    for number, column in cells:
        event = trace.events[number]
        row = "  ".join(
            (fit(texts[number], room[at]) if at == column else "").ljust(room[at]) for at in range(len(room))
        )
        lines.append(f"  {event.step:5}  {seconds(event.t):>8}  {row}".rstrip())
    return lines


def _shrunk(widths: list[int], room: int) -> list[int]:
    """Widths that fit into the room, taken from the widest column."""
    widths = list(widths)
    while sum(widths) > max(room, 12 * len(widths)):
        widths[widths.index(max(widths))] -= 1
    return widths


def _ends_scenario(event: Event) -> bool:
    return event.ev == "end" and event.task == _ROOT


def _index_of_fault(trace: Trace, landed: Delivered) -> int | None:
    for number, event in enumerate(trace.events):
        if event.ev == "fault" and event.step == landed.step and _path(trace, event.task) == landed.point.task:
            return number
    return None


def _index_of_order(trace: Trace) -> tuple[int | None, list[int]]:
    """The event that the last step of an order ended with, and the task that it went before."""
    needed = [departure for departure in trace.choices.departures if departure.matters is not False]
    if not needed:
        return None, []
    paths = [task.path for task in trace.tasks]
    other = needed[-1].then[0]
    return Steps(trace).end(needed[-1].first), [paths.index(other)] if other in paths else []


def _path(trace: Trace, task: int) -> str:
    return trace.tasks[task].path if task >= 0 else ""


def _columns(trace: Trace, centre: int, partners: list[int]) -> list[int]:
    """The fault's task last; before it its partners, those that woke it or that it woke; then the scenario."""
    victim = trace.events[centre].task
    for number in sorted(range(len(trace.events)), key=lambda number: abs(number - centre)):
        event = trace.events[number]
        other = event.by if event.task == victim else event.task if event.by == victim else -1
        if event.ev == "wake" and other not in (-1, victim, *partners):
            partners.append(other)
        if len(partners) == COLUMNS_MAX - 1:
            break
    if len(partners) < COLUMNS_MAX - 1 and _ROOT not in (victim, *partners):
        partners.append(_ROOT)
    return [*sorted(partners), victim]


def event_words(trace: Trace, event: Event, names: dict[str, str], *, short: bool = False) -> str:
    """What an event says about its task; empty for the clock. short: the place is only a line."""
    by = names.get(_path(trace, event.by), "") if event.by >= 0 else ""
    text = clean(event.text, 120)
    match event.ev:
        case "spawn":
            return f"made by {by}" if by else "begins"
        case "await":
            return f"waits {_site_words(trace, event, short=short)}"
        case "wake":
            return f"woken by {by}" if by else "woken"
        case "end":
            return f"ended: {text}" if text else "ended"
        case "fault":
            return f"✗ {text or 'fault'} (faultloop)"
        case "hold":
            return f"wake-up held back{': ' + text if text else ''}"
        case "note":
            return f"note: {text}"
        case "time":
            return ""


def _site_words(trace: Trace, event: Event, *, short: bool) -> str:
    """Where an event's task waits: `Pool.acquire #1  src/pool.py:20`, or in short `Pool.acquire, line 20`."""
    if event.site < 0:
        return "?"
    site = trace.sites[event.site]
    function = clean(site.function, 60)
    if short:
        return f"{function}, line {site.line}" if site.line > 0 else function
    return f"{function} #{event.nth}  {clean(site.place, 80)}"
