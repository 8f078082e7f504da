"""A repair of a whole store: job after job, each in its own transaction, and what is left over said.

Cancelled or killed anywhere: what was mended is mended, and the next repair goes on from there (repair.py, rule 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final

from aqueue.store.base import Session, insist
from aqueue.store.questions import Verify
from aqueue.store.repair import Cure, Examine, Horizon, Incurable, Mend
from aqueue.store.rows import Violation
from aqueue.store.survey import Faults
from aqueue.store.words import WORDS

__all__ = ["Leftover", "Repaired", "repair"]

PAGE: Final = 200
_NAMES_JOBS: Final = frozenset(name for name, meaning in WORDS.items() if meaning.rows == "jobs")


@dataclass(frozen=True, slots=True)
class Leftover:
    """A violation that a repair leaves, or would leave. why: and what to do."""

    violation: Violation
    why: str


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a repair did, or would do.

    faults: what the storage says is broken; it is not touched.
    """

    cures: tuple[Cure, ...]
    incurable: tuple[Incurable, ...]
    leftovers: tuple[Leftover, ...]
    faults: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left over."""
        return not self.incurable and not self.leftovers and not self.faults


async def repair(
    session: Session, *, random: Random, grace_ms: int, dry_run: bool = False, horizon: Horizon | None = None
) -> Repaired:
    """Put right what can be, and say what cannot. With dry_run, write nothing and say what would be done.

    grace_ms: after which a job that nobody moved counts as stuck.   Raises StoreUnavailable.
    """
    horizon = horizon or Horizon()
    verify = Verify(grace_ms, 0)
    violations = await session.perform(verify)
    cures: list[Cure] = []
    incurable: list[Incurable] = []
    for found in await _examined(session, violations, horizon):
        if isinstance(found, Cure) and not dry_run:
            mended = await insist(session, Mend(found.job_id, horizon), random=random)
            if mended is None:
                continue  # somebody else was quicker
            found = mended
        if isinstance(found, Cure):
            cures.append(found)
        else:
            incurable.append(found)
    if not dry_run:
        violations = await session.perform(verify)
    faults = await session.perform(Faults())  # last: CHECKs of rows are among them, and rows were mended
    left = _leftovers(violations, cures if dry_run else [])
    return Repaired(tuple(cures), tuple(incurable), left, faults)


async def _examined(
    session: Session, violations: tuple[Violation, ...], horizon: Horizon
) -> tuple[Cure | Incurable, ...]:
    """What is wrong with any job, each once, in the order of their ids."""
    named = {
        int(str(row[0])) for violation in violations if violation.invariant in _NAMES_JOBS for row in violation.rows
    }
    found: dict[int, Cure | Incurable] = {}
    ids = sorted(named)
    for start in range(0, len(ids), PAGE):
        examined = await session.perform(Examine(0, 0, tuple(ids[start : start + PAGE]), horizon))
        found.update((each.job_id, each) for each in examined.found)
    last: int | None = 0
    while last is not None:
        examined = await session.perform(Examine(last, PAGE, (), horizon))
        found.update((each.job_id, each) for each in examined.found)
        last = examined.last
    return tuple(found[job_id] for job_id in sorted(found))


def _leftovers(violations: tuple[Violation, ...], planned: list[Cure]) -> tuple[Leftover, ...]:
    """What does not hold, without the rows that a planned cure would mend."""
    left: list[Leftover] = []
    jobs = {cure.job_id for cure in planned}
    keys = {cure.before.order_key for cure in planned}
    for violation in violations:
        meaning = WORDS[violation.invariant]
        rows = violation.rows
        if meaning.is_repairable:
            mended = jobs if meaning.rows == "jobs" else keys
            rows = tuple(row for row in rows if row[0] not in mended)
        if rows:
            left.append(Leftover(Violation(violation.invariant, rows), meaning.left or meaning.remedy))
    return tuple(left)
