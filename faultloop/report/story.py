"""A run in about ten lines: what was done to it, what broke, who waits for whom, and what to type next.

Rule 1: pure: from a trace to lines. Whether a replay agreed is told to it, not found out by it.
Rule 2: at most 35 lines; the user's frames only; a task is never called by a number it happened to get.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from faultloop.model.address import format_fault
from faultloop.model.faults import NANOSECONDS, PlannedFault
from faultloop.model.outcome import Finding, Outcome, Status, Waiting
from faultloop.model.text import counted
from faultloop.model.trace import Delivered, Trace
from faultloop.report.orders import departure_lines, level_words
from faultloop.report.table import step_table
from faultloop.report.words import (
    WIDTH,
    clean,
    fit,
    headline,
    phase_words,
    picks_words,
    seconds,
    subject,
    task_names,
    verb_words,
    wrap,
)

LINES_MAX = 35
_LABEL_WIDTH = 10
_FAULTS_SHOWN, _ORDERS_SHOWN, _FINDINGS_SHOWN, _WAITING_SHOWN = 3, 3, 3, 6


@dataclass(frozen=True, slots=True)
class Told:
    """The parts of a story, in lines. passes is not among them: a trace does not know of other runs."""

    sentence: str
    fault: tuple[str, ...]
    network: tuple[str, ...]
    order: tuple[str, ...]
    broke: tuple[str, ...]
    stuck: tuple[str, ...]
    also: tuple[str, ...]
    holds: tuple[str, ...]
    """Why another run may not be this one; empty where it must be."""


def tell(trace: Trace) -> Told:
    """What a trace has to say, part by part."""
    names = task_names(task.path for task in trace.tasks)
    return Told(
        sentence(trace, names),
        tuple(_fault_lines(trace, names)),
        tuple(network_lines(trace)),
        tuple(_order_lines(trace, names)),
        tuple(_broke_lines(trace.outcome, names)),
        tuple(_stuck_lines(trace.outcome.waiting, names)),
        tuple(_also_lines(trace.outcome, names)),
        (trace.world.best_effort,) if trace.world.best_effort else (),
    )


def story(
    trace: Trace,
    *,
    passes: str = "",
    next_steps: Sequence[tuple[str, str]] = (),
    last: str = "",
    width: int = WIDTH,
) -> str:
    """The story of a recorded run.

    passes: when it passes, as `faultloop.report.failure.needs_line` says it.   next_steps: (label, command) pairs,
    printed as they are.   last: one closing line, such as how replaying it went.
    Returns lines joined by newlines, without one at the end.
    """
    told = tell(trace)
    lines = [fit(told.sentence, width), ""]
    lines += _labelled("fault", told.fault, width)
    lines += _labelled("network", told.network, width)
    lines += _labelled("order", told.order, width)
    lines += _labelled("broke", told.broke, width)
    lines += _labelled("passes", [passes] if passes else [], width)
    lines += _labelled("holds", told.holds, width)
    table = step_table(trace, task_names(task.path for task in trace.tasks), width)
    lines += ["", *table] if table else []
    stuck = _labelled("stuck", told.stuck, width)
    lines += ["", *stuck] if stuck else []
    also = _labelled("also", told.also, width)
    lines += ["", *also] if also else []
    commands = [line for label, command in next_steps for line in _labelled(label, [command])]
    tail = (["", *commands] if commands else []) + ([f"  {last}"] if last else [])
    body = [fit(line, width) for line in lines[: LINES_MAX - len(tail)]]
    return "\n".join([*body, *tail])


def sentence(trace: Trace, names: dict[str, str]) -> str:
    """The headline of a trace."""
    landed = {delivered.plan for delivered in trace.delivered}
    struck = network_lines(trace) if not trace.faults else []
    what = (
        f"{_network_subject(len(struck))} ({struck[0].partition(' ')[0]})"
        if struck
        else subject(trace.faults, trace.choices, names)
    )
    return headline(trace.outcome, what, scenario_name(trace), missed=len(trace.faults) - len(landed))


def _network_subject(count: int) -> str:
    return "A network fault" if count == 1 else counted(count, "network fault")


def network_lines(trace: Trace) -> list[str]:
    """The faults of the network that struck, a line each."""
    notes = (event for event in trace.events if event.ev == "note" and event.text.startswith("net:"))
    return [f"{clean(event.text, 80)} at {event.t / NANOSECONDS:.3f} s" for event in notes]


def scenario_name(trace: Trace) -> str:
    """What to call the scenario: its function, or «it» when it has no name."""
    return clean(trace.target.ref.rpartition(":")[2], 60) or "it"


def _labelled(label: str, lines: Sequence[str], width: int | None = None) -> list[str]:
    """The lines behind their label. width: where they are broken; None leaves commands whole, to be copied."""
    room = _LABEL_WIDTH + 3
    wrapped = [part for line in lines for part in (wrap(line, width - room, indent=2) if width else [line])]
    return [f"  {label if number == 0 else '':<{_LABEL_WIDTH}} {line}" for number, line in enumerate(wrapped)]


def _fault_lines(trace: Trace, names: dict[str, str]) -> list[str]:
    lines: list[str] = []
    for number, planned in enumerate(trace.faults[:_FAULTS_SHOWN]):
        landed = next((d for d in trace.delivered if d.plan == number), None)
        lines += _one_fault(trace, planned, landed, names)
    if len(trace.faults) > _FAULTS_SHOWN:
        lines.append(f"… and {len(trace.faults) - _FAULTS_SHOWN} more")
    return lines


def _order_lines(trace: Trace, names: dict[str, str]) -> list[str]:
    lines = departure_lines(trace, names)
    if len(lines) > _ORDERS_SHOWN:
        lines[_ORDERS_SHOWN:] = [f"… and {len(lines) - _ORDERS_SHOWN} more"]
    if not lines and trace.choices.picks:
        lines = [picks_words(trace.choices)]
        if trace.world.faults:  # which of them are about the order, nobody can tell any more
            return [f"{lines[0]}, those of the network among them"]
    level = level_words(trace)
    return [*lines, level] if lines and level else lines


def _one_fault(trace: Trace, planned: PlannedFault, landed: Delivered | None, names: dict[str, str]) -> Iterator[str]:
    if landed is None:
        yield clean(format_fault(planned), 200)
        yield "its address was never reached"
        return
    point = landed.point
    task = names.get(point.task, clean(point.task, 80))
    place = _place(trace, landed)
    where = f"at {place} in {clean(point.function, 60)}" if place else f"in {clean(point.function, 60)}"
    yield f"{verb_words(planned.fault, task)} {where}, wait #{point.nth} in {clean(point.awaited, 60)}"
    yield phase_words(planned.at.phase, planned.at.racing, names)
    when = f"{seconds(landed.t)} s virtual, step {landed.step}"
    note = f"; {clean(landed.note, 120)}" if landed.note else ""
    yield when + (f" of {trace.stats.steps}" if trace.stats.steps else "") + note


def _place(trace: Trace, landed: Delivered) -> str:
    """`file:line` of the wait that was hit: from its event, or from its site where only one can be meant."""
    point = landed.point
    for event in reversed(trace.events):
        if event.ev == "await" and event.step <= landed.step and event.nth == point.nth and event.site >= 0:
            site = trace.sites[event.site]
            same_task = event.task >= 0 and trace.tasks[event.task].path == point.task
            if same_task and (site.function, site.awaited) == (point.function, point.awaited):
                return clean(site.place, 100) if site.file else ""
    places = {s.place for s in trace.sites if (s.function, s.awaited) == (point.function, point.awaited) and s.file}
    return clean(places.pop(), 100) if len(places) == 1 else ""


def _broke_lines(outcome: Outcome, names: dict[str, str]) -> list[str]:
    lines = [_finding(finding, names) for finding in outcome.findings if finding.counts]
    if len(lines) > _FINDINGS_SHOWN:
        lines[_FINDINGS_SHOWN:] = [f"… and {len(lines) - _FINDINGS_SHOWN} more"]
    if outcome.raised is not None and outcome.status is not Status.PROPAGATED:
        raised = outcome.raised
        said = f": {clean(raised.message, 300)}" if raised.message else ""
        lines.append(clean(raised.type, 80) + said + (f"  ({clean(raised.place, 100)})" if raised.place else ""))
    shown = " ".join(lines)
    if outcome.message and clean(outcome.message, 300) not in shown:
        lines.append(clean(outcome.message, 300))
    return lines if outcome.status not in (Status.PASSED, Status.PROPAGATED) else []


def _finding(finding: Finding, names: dict[str, str]) -> str:
    task = names.get(finding.task, clean(finding.task, 80))
    who = f" [{task}]" if task and task not in finding.message else ""
    place = f"  ({clean(finding.place, 100)})" if finding.place else ""
    return f"{clean(finding.check, 60)}: {clean(finding.message, 300)}{who}{place}"


def _stuck_lines(waiting: Sequence[Waiting], names: dict[str, str]) -> list[str]:
    shown = waiting[:_WAITING_SHOWN]
    cells = [(names.get(w.task, clean(w.task, 40)), clean(w.where, 60), clean(w.place, 60)) for w in shown]
    widths = [max((len(row[column]) for row in cells), default=0) for column in range(3)]
    lines: list[str] = []
    for wait, (task, where, place) in zip(shown, cells, strict=True):
        owner = names.get(wait.owner, clean(wait.owner, 40))
        needs = f"needs {clean(wait.needs, 60)}" if wait.needs else ""
        whose = f" from {owner}" if owner and needs else f"held by {owner}" if owner else "; nobody will do it"
        why = needs + whose if needs or owner else ""
        lines.append(f"{task:<{widths[0]}} ← {where:<{widths[1]}}  {place:<{widths[2]}}  {why}".rstrip())
    if len(waiting) > len(shown):
        lines.append(f"… and {counted(len(waiting) - len(shown), 'more task')}")
    return lines


def _also_lines(outcome: Outcome, names: dict[str, str]) -> list[str]:
    noted = (_finding(finding, names) for finding in outcome.findings if not finding.counts)
    return list(islice(noted, _FINDINGS_SHOWN))
