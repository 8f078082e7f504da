"""The steps around a fault, side by side: one column for each task that has a part in it.

Rule 1: pure. It reads a trace's events; a trace that kept none has no table.
Rule 2: few lines. What does not touch the fault's task, or the tasks that wake it, is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

from faultloop.model.trace import Delivered, Event, Trace
from faultloop.report.words import clean, fit, seconds

BEFORE, AFTER = 4, 4
COLUMNS_MAX = 3
_HEADS = len("   step   virtual  ")


@dataclass(frozen=True, slots=True)
class Row:
    """One line: the step, its virtual time, and what happened to which task."""

    step: int
    t: int
    task: int
    text: str


def step_table(trace: Trace, landed: Delivered, names: dict[str, str], width: int) -> list[str]:
    """The lines of the table, its head first; empty when the trace has no events near the fault."""
    centre = _index_of_fault(trace, landed)
    if centre is None:
        return []
    columns = _columns(trace, centre)
    around = [number for number, event in enumerate(trace.events) if _row(trace, event, names) and _in(event, columns)]
    before = [number for number in around if number < centre][-BEFORE:]
    after = [number for number in around if number > centre][:AFTER]
    rows = [_row(trace, trace.events[number], names) for number in (*before, centre, *after)]
    room = max((width - _HEADS) // len(columns), 16)
    head = "".join(fit(names.get(trace.tasks[task].path, "?"), room - 2).ljust(room) for task in columns)
    lines = [f"   step   virtual  {head}".rstrip()]
    for row in rows:
        if row is None:
            continue
        cells = "".join((fit(row.text, room - 2) if task == row.task else "").ljust(room) for task in columns)
        lines.append(f"  {row.step:5}  {seconds(row.t):>8}  {cells}".rstrip())
    return lines


def _index_of_fault(trace: Trace, landed: Delivered) -> int | None:
    for number, event in enumerate(trace.events):
        if event.ev == "fault" and event.step == landed.step and _path(trace, event.task) == landed.point.task:
            return number
    return None


def _path(trace: Trace, task: int) -> str:
    return trace.tasks[task].path if task >= 0 else ""


def _columns(trace: Trace, centre: int) -> list[int]:
    """The fault's task last, before it those that woke it or were woken by it, the nearest first."""
    victim = trace.events[centre].task
    near = sorted(range(len(trace.events)), key=lambda number: abs(number - centre))
    partners: list[int] = []
    for number in near:
        event = trace.events[number]
        other = event.by if event.task == victim else event.task if event.by == victim else -1
        if other not in (-1, victim) and other not in partners:
            partners.append(other)
        if len(partners) == COLUMNS_MAX - 1:
            break
    return [*sorted(partners), victim]


def _in(event: Event, columns: list[int]) -> bool:
    return event.task in columns


def _row(trace: Trace, event: Event, names: dict[str, str]) -> Row | None:
    text = event_words(trace, event, names)
    return Row(event.step, event.t, event.task, text) if text and event.task >= 0 else None


def event_words(trace: Trace, event: Event, names: dict[str, str]) -> str:
    """What an event says about its task; empty for the clock."""
    by = names.get(_path(trace, event.by), "") if event.by >= 0 else ""
    text = clean(event.text, 120)
    match event.ev:
        case "spawn":
            return f"made by {by}" if by else "begins"
        case "await":
            return f"waits  {site_words(trace, event)}"
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


def site_words(trace: Trace, event: Event) -> str:
    """Where an event's task waits: `Pool.acquire #1  pool.py:20`."""
    if event.site < 0:
        return "?"
    site = trace.sites[event.site]
    return f"{clean(site.function, 60)} #{event.nth}  {clean(site.place, 80)}"
