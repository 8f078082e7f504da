"""Every single fault of one run: which there are, as step numbers for a fast run and as addresses for a trace.

A sweep stands on a *parent*: a traced run of which every wait is known. Up to the fault, a run that gives the parent's
answers is the parent, so its step numbers hold; and the parent's waits say what the address of each is.
Guarantee: every wait of the parent that the scope covers, with every kind, in every phase that the driver has; only of
the steps that a long wait could be raced against at most RIVALS_MAX. What cannot be done is told.
Source: SQLite's tests of running out of memory and of failing I/O, which make the n-th call fail for each n («How
SQLite Is Tested», sections 3.1 and 3.2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from faultloop.drivers.driver import driver_named
from faultloop.drivers.facts import Wait
from faultloop.drivers.nodes import NO_NODE
from faultloop.drivers.strike import Strike
from faultloop.model.address import format_kind, task_matches, where_matches
from faultloop.model.coverage import Chance
from faultloop.model.faults import Address, Cancel, Crash, Delay, Expire, Fail, Fault, Pause, PlannedFault, Step
from faultloop.model.points import Phase, Site
from faultloop.search.run import Observed

RIVALS_MAX = 64
"""How many other steps a wait is raced against at most: evenly spread when it lasts longer."""

Skip = Callable[[str], None]
"""Told why a fault cannot be tried."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One fault of a parent run, both ways. site: of the wait that it hits."""

    strike: Strike
    planned: PlannedFault
    site: Site

    @property
    def chance(self) -> Chance:
        """What it does there, for await coverage."""
        return (format_kind(self.planned.fault), self.planned.at.phase.value)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a sweep is to hit.

    kinds: the faults.   tasks, where: patterns of the victims and of their waits.
    implied: faults that nobody asked for by name: tried wherever they can be, and not missed elsewhere.
    """

    kinds: tuple[Fault, ...]
    tasks: str = "*"
    where: str = "*"
    implied: tuple[Fault, ...] = ()

    @property
    def awaits_in_words(self) -> str:
        """Which awaits these are: `of the calm run`, or `of worker-* at Pool.acquire in the calm run`."""
        if (self.tasks, self.where) == ("*", "*"):
            return "of the calm run"
        whose = f"of {self.tasks} " if self.tasks != "*" else ""
        where = f"at {self.where} " if self.where != "*" else ""
        return f"{whose}{where}in the calm run"

    def covers(self, parent: Observed, wait: Wait) -> bool:
        """Whether this wait is to be hit. What a test's fixtures started is, if it is asked for by name."""
        if wait.is_background and self.tasks == "*":
            return False
        site = parent.sites.sites[wait.site]
        is_mine = task_matches(self.tasks, wait.node.path, wait.name, wait.home)
        return is_mine and where_matches(self.where, site.function, site.awaited)

    def spares(self, site: Site, kind: Fault) -> bool:
        """Whether a wait is in a task that runs nothing but asyncio's own code, and nobody asked for that task.

        A server's accepting, what `wait_for` makes a task of: only asyncio itself ends these, so to end them from
        outside tells nothing about the program.
        """
        is_asyncios = not site.chain and site.file.startswith("<stdlib>/")
        return is_asyncios and self.tasks == "*" and isinstance(kind, Cancel | Fail)


def trials(parent: Observed, scope: Scope, skip: Skip, *, only: set[int] | None = None) -> Iterator[Trial]:
    """Every fault of the parent run: at `parked` everywhere first, then `woken` where there is one, then `racing`.

    only: waits that began at one of these steps; None for all.
    """
    waits = [wait for wait in parent.waits if (only is None or wait.parked in only) and scope.covers(parent, wait)]
    phases = driver_named(parent.run.trace.env.driver).PHASES
    for phase in phases:
        for wait in waits:
            for kind in (*scope.kinds, *scope.implied):
                obstacle = _obstacle(parent, scope, wait, kind)
                if not obstacle:
                    yield from _trials_at(parent, wait, kind, phase, phases)
                elif phase is Phase.PARKED and kind in scope.kinds:
                    skip(obstacle)


def first_seen(parent: Observed, known: set[tuple[str, str, int]], *, after: int) -> set[int]:
    """The steps from `after` on at which waits began that are not among the known ones.

    These are waits of code that only an earlier fault has reached: cleaning up, and whatever else it led to.
    """
    return {wait.parked for wait in parent.waits if wait.parked >= after and identity(parent, wait) not in known}


def identity(parent: Observed, wait: Wait) -> tuple[str, str, int]:
    """What makes a wait the same in two runs: its task's path, its site, and which time."""
    site = parent.sites.sites[wait.site]
    return (wait.node.path, f"{site.function}>{site.awaited}", wait.nth)


def _trials_at(parent: Observed, wait: Wait, kind: Fault, phase: Phase, phases: tuple[Phase, ...]) -> Iterator[Trial]:
    of_wake_up = Phase.WOKEN if Phase.WOKEN in phases else Phase.PARKED
    if isinstance(kind, Expire | Delay) and phase is not of_wake_up:
        return  # both act on the wake-up: one phase says it all
    if isinstance(kind, Crash | Pause) and phase is Phase.RACING:
        return  # a node is told nothing of steps elsewhere until it runs again: that is `woken`
    path, where, nth = identity(parent, wait)
    site = parent.sites.sites[wait.site]
    match phase:
        case Phase.PARKED:
            strike = Strike(kind, phase, wait.parked, wait.parked, wait.ordinal)
            yield Trial(strike, PlannedFault(kind, Address(path, where, nth, phase)), site)
        case Phase.WOKEN:
            # After a bare yield the task is ready at once: parked and woken are the same moment.
            if wait.woken and not (wait.is_bare and isinstance(kind, Cancel | Crash | Pause)):
                strike = Strike(kind, phase, wait.parked, wait.woken, wait.ordinal)
                yield Trial(strike, PlannedFault(kind, Address(path, where, nth, phase)), site)
        case Phase.RACING:
            if not wait.is_bare:
                for step, rival in _rivals(parent, wait):
                    strike = Strike(kind, phase, wait.parked, step, wait.ordinal)
                    yield Trial(strike, PlannedFault(kind, Address(path, where, nth, phase, rival)), site)


def _obstacle(parent: Observed, scope: Scope, wait: Wait, kind: Fault) -> str:
    if scope.spares(parent.sites.sites[wait.site], kind):
        return f"{format_kind(kind)}: a task of asyncio's own; name it in the pattern of tasks to have it hit"
    if isinstance(kind, Expire) and not wait.has_deadline:
        return "expire: no deadline covers the await"
    if isinstance(kind, Crash | Pause) and not wait.home:
        return f"{format_kind(kind).partition(':')[0]}: {NO_NODE}"
    if isinstance(kind, Fail) and wait.is_bare:
        return "fail: a bare yield (sleep(0)) cannot fail"
    return ""


def _rivals(parent: Observed, wait: Wait) -> list[tuple[int, Step]]:
    """The steps of other tasks that a wait lasts through, each named by the wait it goes on from.

    The step right after the wait began is left out: being hit before it is being hit while parked.
    """
    end = wait.woken or (1 << 62)
    rivals: list[tuple[int, Step]] = []
    for other in parent.waits:
        if other is not wait and wait.parked + 1 < other.woken < end:
            path, where, nth = identity(parent, other)
            rivals.append((other.woken, Step(path, where, nth)))
    rivals.sort(key=lambda row: row[0])
    if len(rivals) <= RIVALS_MAX:
        return rivals
    return [rivals[i * len(rivals) // RIVALS_MAX] for i in range(RIVALS_MAX)]
