"""A shrunk failure in words, for tests that say what it is.

Rule 1: pure. Rule 2: only what matters is said, and only of runs that were made.
"""

from __future__ import annotations

from collections.abc import Callable

from faultloop.model.address import format_fault
from faultloop.search.shrink.script import Before, Departure, Moment
from faultloop.search.shrink.shrinker import Shrunk

NameOf = Callable[[int], str]
PlaceOf = Callable[[Moment], str]
_ENDINGS = {1: "st", 2: "nd", 3: "rd"}


def explain(shrunk: Shrunk, name_of: NameOf, *, place_of: PlaceOf | None = None) -> tuple[str, ...]:
    """A line for each fault, and for each departure that matters or was not found out about.

    name_of: what to call a task.   place_of: where a step goes on from, or empty; then it is said behind the step.
    """
    lines = [format_fault(planned) for planned in shrunk.faults]
    for reason in shrunk.reasons:
        if reason.matters is not False:
            unsure = "" if reason.matters else " (may not matter)"
            lines.append(departure_words(reason.departure, name_of, place_of) + unsure)
    return tuple(lines)


def departure_words(departure: Departure, name_of: NameOf, place_of: PlaceOf | None = None) -> str:
    """One departure: «a runs between b's 2nd and 3rd step», «b's 1st step comes before a's 1st»."""
    order = departure.order
    if departure.is_preemption:
        first, then = name_of(order.first.task), order.then
        where = _place(then, place_of)
        return (
            f"{first} runs between {name_of(then.task)}'s {ordinal(then.nth - 1)} and {ordinal(then.nth)} step{where}"
        )
    return order_words(order, name_of, place_of)


def order_words(order: Before, name_of: NameOf, place_of: PlaceOf | None = None) -> str:
    """Which step comes before which."""
    first, then = order
    if first.nth == 1 and then.nth == 1:
        return f"{name_of(first.task)} starts before {name_of(then.task)}"
    left = f"{name_of(first.task)}'s {ordinal(first.nth)} step{_place(first, place_of)}"
    return f"{left} comes before {name_of(then.task)}'s {ordinal(then.nth)}{_place(then, place_of)}"


def ordinal(number: int) -> str:
    """`1st`, `2nd`, `11th`."""
    ending = "th" if number % 100 in (11, 12, 13) else _ENDINGS.get(number % 10, "th")
    return f"{number}{ending}"


def _place(moment: Moment, place_of: PlaceOf | None) -> str:
    place = place_of(moment) if place_of is not None else ""
    return f" (from {place})" if place else ""
