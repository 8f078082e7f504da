"""What must hold in a trace beyond its types: numbers within range, indexes that point at something.

Rule 1: pure. It sees a decoded trace and yields sentences that begin with the field; none means: go ahead.
Rule 2: what passes here never makes arithmetic, an index or an environment variable fail further on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import cast

from faultloop.model.faults import NANOSECONDS, Address, Crash, Delay, Pause, Step
from faultloop.model.points import Phase
from faultloop.model.trace import Trace

INT_MAX = 2**63 - 1
HASHSEED_MAX = 4_294_967_295
LISTED_MAX = 10_000_000
"""How many steps the blocks of a schedule may list: each takes a place in memory when they are followed."""


def complaints(trace: Trace) -> Iterator[str]:
    """Everything that is wrong with a trace, each as `field: what is wrong`."""
    seed = trace.env.hashseed
    if seed != "random" and not (re.fullmatch("[0-9]{1,10}", seed) and int(seed) <= HASHSEED_MAX):
        yield f"env.hashseed: expected «random» or 0 to {HASHSEED_MAX}"
    if trace.choices.count > INT_MAX:
        yield "choices.count: is out of range"
    listed = sum(steps for _, steps in trace.choices.blocks)
    if listed > LISTED_MAX:
        yield f"choices.blocks: more than {LISTED_MAX} steps"
    for departure in trace.choices.departures:
        yield from _range_complaints("choices.departures", max(departure.first[1], departure.then[1]), 1, INT_MAX)
    if trace.seed is not None and not -INT_MAX <= trace.seed <= INT_MAX:
        yield "seed: is out of range"
    yield from _limit_complaints(trace)
    for number, planned in enumerate(trace.faults):
        yield from _address_complaints(f"faults[{number}].at", planned.at)
        if isinstance(planned.fault, Delay | Pause) and not 0 < planned.fault.nanoseconds <= INT_MAX:
            yield f"faults[{number}].fault.nanoseconds: expected 1 to {INT_MAX}"
        if isinstance(planned.fault, Crash) and not 0 <= planned.fault.restart <= INT_MAX:
            yield f"faults[{number}].fault.restart: expected 0 to {INT_MAX}"
    for number, landed in enumerate(trace.delivered):
        yield from _range_complaints(f"delivered[{number}].plan", landed.plan, 0, len(trace.faults) - 1)
        yield from _range_complaints(f"delivered[{number}].step", landed.step, 0, INT_MAX)
        yield from _range_complaints(f"delivered[{number}].t", landed.t, 0, INT_MAX)
    for field in trace.stats.__struct_fields__:
        yield from _range_complaints(f"stats.{field}", cast("int", getattr(trace.stats, field)), 0, INT_MAX)
    yield from _event_complaints(trace)


def _limit_complaints(trace: Trace) -> Iterator[str]:
    for field in trace.limits.__struct_fields__:
        value = cast("float", getattr(trace.limits, field))
        if (value > INT_MAX / NANOSECONDS and field.endswith("_seconds")) or value > INT_MAX:
            yield f"limits.{field}: is out of range"


def _address_complaints(field: str, at: Address | Step) -> Iterator[str]:
    yield from _range_complaints(f"{field}.nth", at.nth, 1, INT_MAX)
    if isinstance(at, Address):
        if (at.phase is Phase.RACING) != (at.racing is not None):
            yield f"{field}.racing: is there if, and only if, the phase is «racing»"
        if at.racing is not None:
            yield from _address_complaints(f"{field}.racing", at.racing)


def _event_complaints(trace: Trace) -> Iterator[str]:
    tasks, sites = len(trace.tasks), len(trace.sites)
    for number, event in enumerate(trace.events):
        in_range = (
            -1 <= event.task < tasks
            and -1 <= event.by < tasks
            and -1 <= event.site < sites
            and 0 <= event.step <= INT_MAX
            and 0 <= event.t <= INT_MAX
            and 0 <= event.nth <= INT_MAX
        )
        if not in_range:
            yield from _range_complaints(f"events[{number}].task", event.task, -1, tasks - 1)
            yield from _range_complaints(f"events[{number}].by", event.by, -1, tasks - 1)
            yield from _range_complaints(f"events[{number}].site", event.site, -1, sites - 1)
            yield f"events[{number}]: step, t or nth is out of range"


def _range_complaints(field: str, value: int, low: int, high: int) -> Iterator[str]:
    if not low <= value <= high:
        shown = str(value) if abs(value) <= INT_MAX else "a number of many digits"
        yield (
            f"{field}: expected {low} to {high}, got {shown}" if low <= high else f"{field}: there is none, got {shown}"
        )
