"""Fewer and plainer faults: drop them, then prefer parked to woken to racing, and short delays to long ones."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from faultloop.model.faults import NANOSECONDS, Delay, Expire, Pause, PlannedFault
from faultloop.model.points import Phase
from faultloop.search.shrink.attempts import Attempts, Faults
from faultloop.search.shrink.edits import chunks
from faultloop.search.shrink.script import weight_of

_ROUND_DELAYS = tuple(NANOSECONDS * n // 1000 for n in (1, 10, 100, 1_000, 10_000, 60_000, 600_000, 3_600_000))


def drop_faults(attempts: Attempts) -> None:
    """Leave out as many faults as can be: all, halves, single ones."""
    for start, stop in chunks(lambda: len(attempts.best.faults)):
        faults = attempts.best.faults
        attempts.improves(attempts.best.script, faults[:start] + faults[stop:])


def simplify_faults(attempts: Attempts) -> None:
    """Replace each fault by the plainest one that still does it."""
    for index in range(len(attempts.best.faults)):
        faults = attempts.best.faults
        for plainer in plainer_faults(faults[index]):
            if attempts.improves(attempts.best.script, _with(faults, index, plainer)):
                break


def plainer_faults(planned: PlannedFault) -> Iterator[PlannedFault]:
    """What to try instead of a fault, the plainest first; all of less weight."""
    durations: list[int | None] = [None]
    if isinstance(planned.fault, Delay | Pause):
        durations = [n for n in _ROUND_DELAYS if n < planned.fault.nanoseconds] + [None]
    phases: tuple[Phase, ...] = (Phase.PARKED, Phase.WOKEN, Phase.RACING)
    if isinstance(planned.fault, Delay | Expire):
        phases = (planned.at.phase,)  # both act on the wake-up: another phase would say the same
    for phase in phases:
        for nanoseconds in durations:
            racing = planned.at.racing if phase is Phase.RACING else None
            if phase is Phase.RACING and racing is None:
                continue
            fault = planned.fault
            if nanoseconds is not None:
                fault = msgspec.structs.replace(fault, nanoseconds=nanoseconds)
            candidate = PlannedFault(fault, msgspec.structs.replace(planned.at, phase=phase, racing=racing))
            if weight_of(candidate) < weight_of(planned):
                yield candidate


def _with(faults: Faults, index: int, planned: PlannedFault) -> Faults:
    return (*faults[:index], planned, *faults[index + 1 :])
