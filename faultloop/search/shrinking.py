"""Shrinking a trace that somebody has, whoever found it."""

from __future__ import annotations

import os

from faultloop.drivers.settings import Scenario
from faultloop.errors import UsageError
from faultloop.model.trace import Trace
from faultloop.search.conditions import Conditions
from faultloop.search.findings import Failure, causes_of
from faultloop.search.program import forget, make_program
from faultloop.search.shrink import BUDGET
from faultloop.search.smallest import smallest
from faultloop.search.tracefile import load_trace
from faultloop.search.units import Found


def shrink_trace(trace: Trace | str | os.PathLike[str], scenario: Scenario, *, runs: int = BUDGET) -> Failure | None:
    """The smallest failure like the one that a trace recorded.

    trace: a trace, or the path of its file.   runs: how many to spend, at least 1.
    Returns None when it does not fail when it is run again. Raises TraceError, and UsageError for a trace that recorded
    no failure.
    """
    recorded = trace if isinstance(trace, Trace) else load_trace(trace)
    if not recorded.outcome.status.is_failure:
        message = f"this trace recorded a run that {recorded.outcome.status}: there is nothing to shrink"
        raise UsageError(message, code="FL515")
    program = make_program(scenario, Conditions.of_trace(recorded), target=recorded.target.ref)
    causes = tuple(causes_of(recorded.outcome, recorded.faults))
    found = Found(1, recorded.faults, recorded.order, recorded.choices, causes)
    try:
        return smallest(program, found, at_run=1, budget=runs)
    finally:
        forget(program.key)
