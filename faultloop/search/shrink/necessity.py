"""Which departures a failure needs: each is undone once, and the run watched.

A departure matters if some way of undoing it, all else listed as it was, makes the failure go away. That run is the
failure's passing neighbour. It is a statement about runs that were made, not a proof about all runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from faultloop.search.shrink.attempts import Attempts, Found
from faultloop.search.shrink.edits import advanced, next_run
from faultloop.search.shrink.script import Departure, Listing, Orders, Script, orders_of, telling


@dataclass(frozen=True, slots=True)
class Reason:
    """A departure of a failing run, and what is known of it.

    matters: undone, the failure goes away; None when the budget did not suffice to find out.
    neighbour: the script of a run without it that does not fail alike.
    """

    departure: Departure
    matters: bool | None
    neighbour: Script | None = None


def weigh(attempts: Attempts) -> tuple[Reason, ...] | None:
    """A reason for each departure of the best run that says something of its own.

    None when undoing one gave a better run, which is the best now.
    """
    best = attempts.best
    reasons: list[Reason] = []
    departures = best.attempt.departures
    for departure in telling(departures) if isinstance(best.script, Orders) else departures:
        reason = Reason(departure, None)
        for script in undone(best, departure):
            if attempts.improves(script):
                return None
            attempt = attempts.probe(script, best.faults)
            if attempt is None:
                break
            if not attempt.failed:
                reason = Reason(departure, True, script)
                break
            reason = Reason(departure, False)
        reasons.append(reason)
    return tuple(reasons)


def undone(found: Found, departure: Departure) -> Iterator[Script]:
    """Scripts that run the two steps of a departure the other way round.

    For a listing: the task that had to wait runs one step more first, or all that it ran when it ran next.
    """
    if isinstance(found.script, Orders):
        orders = orders_of(found.attempt.departures).orders
        yield Orders(tuple(order for order in orders if order != departure.order))
        return
    schedule, base, waiting = found.attempt.schedule, found.script.base, departure.order.then.task
    yield Listing(advanced(schedule, departure.at, waiting, 1), base)
    if (steps := next_run(schedule, departure.at, waiting)) > 1:
        yield Listing(advanced(schedule, departure.at, waiting, steps), base)
