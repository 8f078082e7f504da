"""From a failing run to the smallest explanation of it.

Rule 1: pure; it knows no loop. `attempt` makes the runs, and all that is said here is what one of them really did.
Rule 2: deterministic. The same program, schedule and faults give the same attempts in the same order.

Measured on 38 known bugs, each found by up to four strategies: 6 to 269 runs, 36 in the middle; one departure in the
middle, three or fewer in all but one or two. What known shapes come to: tests/quality/test_shrunk_orders.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from faultloop.search.shrink.attempts import Attempts, Faults, MakeAttempt
from faultloop.search.shrink.necessity import Reason, weigh
from faultloop.search.shrink.passes import BLOCK_PASSES, ORDER_PASSES, Pass
from faultloop.search.shrink.script import Attempt, Cost, Listing, Script, orders_of, shortest

BUDGET = 300
RESERVED = 40
"""Attempts kept for finding out which departures matter, at most; a fifth of a small budget."""
SHARE = 0.5
"""Of the attempts left, how many one pass may make before the next gets its turn."""
TURN_MIN = 16


@dataclass(frozen=True, slots=True)
class Shrunk:
    """A failing run that nothing the shrinker knows makes cheaper.

    script, faults: what makes the run.   attempt: what it really did.   cost, before: now, and of the run given.
    attempts: how many runs were made.   is_complete: nothing was left untried for want of budget.
    reasons: one for each departure, in order.
    """

    script: Script
    faults: Faults
    attempt: Attempt
    cost: Cost
    before: Cost
    attempts: int
    is_complete: bool
    reasons: tuple[Reason, ...] = ()


def shrink(
    schedule: Sequence[int],
    faults: Faults,
    attempt: MakeAttempt,
    *,
    order: Literal["any", "batch"] = "any",
    budget: int = BUDGET,
) -> Shrunk | None:
    """Make a failing run as small as can be: fewer faults, then fewer preemptions, blocks, departures and steps.

    schedule: the task of each step of the failing run.   attempt: runs a script under faults, and says what it did and
    whether it failed for the same cause.   order: the run's; it says what a departure is (see Base).
    budget: attempts, at least 1.
    Returns None when the first attempt, by the schedule given, does not fail: then the run is not deterministic, or was
    made in another order.
    """
    assert budget >= 1, budget
    attempts = Attempts(attempt, budget)
    given = Listing(tuple(schedule), "run-on" if order == "any" else "oldest")
    if not attempts.begin(given, faults):
        return None
    before = attempts.best.cost
    passes = BLOCK_PASSES
    if order == "batch":
        is_followed = attempts.restates(orders_of(attempts.best.attempt.departures))
        passes = ORDER_PASSES if is_followed else ()
    is_complete = _until_stable(attempts, passes)
    while (reasons := weigh(attempts)) is None:
        is_complete = _until_stable(attempts, passes)
    attempts.confirms(shortest(attempts.best.script, attempts.best.attempt))
    best = attempts.best
    return Shrunk(
        script=best.script,
        faults=best.faults,
        attempt=best.attempt,
        cost=best.cost,
        before=before,
        attempts=attempts.made,
        is_complete=is_complete and bool(passes),
        reasons=reasons,
    )


def _until_stable(attempts: Attempts, passes: Sequence[Pass]) -> bool:
    """Make all passes in turn until none helps. Returns whether each came to its end without helping.

    A pass that has to stop goes on in the next round where it stopped: what it tried before costs nothing.
    """
    with attempts.reserve(RESERVED):
        while True:
            attempts.cut = False
            before = attempts.best
            for run_pass in passes:
                with attempts.allowance(SHARE, at_least=TURN_MIN):
                    run_pass(attempts)
            if attempts.best is before and (attempts.left == 0 or not attempts.cut):
                return not attempts.cut
