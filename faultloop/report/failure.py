"""What a failure that an exploration found needs to be a failure, in words.

Rule 1: pure. Rule 2: only of runs that were made: a fault or an order is said to be needed when it was left out once,
and the scenario passed.
"""

from __future__ import annotations

from faultloop.model.trace import Trace


def needs_line(trace: Trace, *, is_shrunk: bool) -> str:
    """The failure's nearest runs that pass; empty when nothing was left out yet."""
    if not is_shrunk:
        return ""
    parts: list[str] = []
    if len(trace.faults) == 1:
        parts.append("without the fault")
    elif trace.faults:
        parts.append("without any one of the faults")
    needed = [departure for departure in trace.choices.departures if departure.matters]
    if len(needed) == 1:
        parts.append("in the usual order")
    elif needed:
        parts.append("with any one of these orders undone")
    return " or ".join(parts)
