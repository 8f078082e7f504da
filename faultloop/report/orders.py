"""An order of steps in words: who was held back where, until when, and how much a level lets anybody do that.

Rule 1: pure. Rule 2: a step is told by the waits it lies between, as the trace recorded them; by its number where it
recorded none.
"""

from __future__ import annotations

from faultloop.model.text import counted
from faultloop.model.trace import Departure, Event, Moment, Trace
from faultloop.report.words import clean

_ENDINGS = {1: "st", 2: "nd", 3: "rd"}


class Steps:
    """Where each step of each task ended, by the events of a trace."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._ends: dict[str, dict[int, int]] = {}
        """Per task: the number of the event that each of its steps ended with, by step of the run."""
        for number, event in enumerate(trace.events):
            if event.ev in ("await", "end") and event.task >= 0:
                self._ends.setdefault(trace.tasks[event.task].path, {})[event.step] = number

    def end(self, moment: Moment) -> int | None:
        """The number of the event that this step ended with; None if it was not recorded."""
        path, nth = moment
        ends = list(self._ends.get(path, {}).values())
        return ends[nth - 1] if 0 < nth <= len(ends) else None

    def ended(self, moment: Moment) -> Event | None:
        """The event that this step ended with."""
        number = self.end(moment)
        return self._trace.events[number] if number is not None else None


def departure_lines(trace: Trace, names: dict[str, str]) -> list[str]:
    """A line for each departure that matters, or of which nobody found out whether it does."""
    if trace.choices.base == "run-on" and not trace.choices.departures:
        return ["each task goes on for as long as it can, then the one that has been ready the longest"]
    steps = Steps(trace)
    return [
        _departure_words(trace, steps, departure, names)
        for departure in trace.choices.departures
        if departure.matters is not False
    ]


def _departure_words(trace: Trace, steps: Steps, departure: Departure, names: dict[str, str]) -> str:
    (first, _), (then, then_nth) = departure.first, departure.then
    who, other = _name(first, names), _name(then, names)
    waits = f"{other} {_before(trace, steps, (then, then_nth))}"
    unsure = "" if departure.matters else " (may not matter)"
    if trace.choices.base == "run-on" and departure.preempts:
        return f"{waits} and could go on; {who} {_start(trace, steps, departure.first)} instead{unsure}"
    return f"{waits} until {who} {_after(trace, steps, departure.first)}{unsure}"


def _name(path: str, names: dict[str, str]) -> str:
    return names.get(path, clean(path, 80))


def _before(trace: Trace, steps: Steps, moment: Moment) -> str:
    """Where a task stands before this step."""
    path, nth = moment
    if nth == 1:
        return "does not start"
    event = steps.ended((path, nth - 1))
    return f"stays at {_place(trace, event)}" if event is not None else f"stays before its {ordinal(nth)} step"


def _start(trace: Trace, steps: Steps, moment: Moment) -> str:
    path, nth = moment
    event = steps.ended((path, nth - 1)) if nth > 1 else None
    if nth == 1:
        return "starts"
    return f"goes on from {_place(trace, event)}" if event is not None else f"makes its {ordinal(nth)} step"


def _after(trace: Trace, steps: Steps, moment: Moment) -> str:
    """How far a task is after this step."""
    event = steps.ended(moment)
    if event is None:
        return f"has made its {ordinal(moment[1])} step"
    return "has ended" if event.ev == "end" else f"waits at {_place(trace, event)}"


def _place(trace: Trace, event: Event) -> str:
    if event.site < 0:
        return "?"
    site = trace.sites[event.site]
    function = f"{clean(site.function, 60)} #{event.nth}"
    return f"{clean(site.place, 80)} in {function}" if site.file else function


def level_words(trace: Trace) -> str:
    """What a loop must do for this order to come about; empty for asyncio's own."""
    match trace.order:
        case "fifo":
            return ""
        case "batch":
            return "batch: tasks that became ready in one turn ran in another order, as trio lets them"
        case "any":
            turns = f"for up to {counted(trace.hold, 'turn')}" if trace.hold is not None else "for any time"
            return f"any: ready tasks were held back {turns}, as slower I/O would, and no loop does by itself"


def ordinal(number: int) -> str:
    """`1st`, `2nd`, `11th`."""
    ending = "th" if number % 100 in (11, 12, 13) else _ENDINGS.get(number % 10, "th")
    return f"{number}{ending}"
