"""Matching a plan against a run: which planned fault belongs to which await point.

Pure: it is told of each wait of each task, and says what is due there. It also remembers what it was told, so that an
address that was never reached can be answered with those that were.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field

from faultloop.engine.paths import TaskNode
from faultloop.model.address import format_address, task_matches, where_matches
from faultloop.model.faults import Address, PlannedFault, Step
from faultloop.model.points import Phase
from faultloop.model.text import counted


@dataclass(frozen=True, slots=True)
class NotReached:
    """A planned fault that never landed.

    reason: in a sentence.   seen: addresses that were reached, sorted.   nearest: the one most like it, or empty.
    """

    fault: PlannedFault
    reason: str
    seen: tuple[str, ...] = ()
    nearest: str = ""


@dataclass(slots=True)
class _Item:
    """One planned fault and how far it got."""

    number: int
    planned: PlannedFault
    counts: dict[int, int] = field(default_factory=dict[int, int])
    rival_counts: dict[int, int] = field(default_factory=dict[int, int])
    delivered: bool = False
    obstacle: str = ""


@dataclass(frozen=True, slots=True)
class Due:
    """What a plan wants of one wait: faults that hit this task here, and faults for which this task is the rival."""

    victims: tuple[int, ...]
    rivals: tuple[int, ...]

    def __bool__(self) -> bool:
        return bool(self.victims or self.rivals)


NOTHING_DUE = Due((), ())


class Plan:
    """The planned faults of one run. Each lands at most once."""

    def __init__(self, faults: Sequence[PlannedFault]) -> None:
        self._items = [_Item(number, planned) for number, planned in enumerate(faults)]
        self._waits: dict[str, set[tuple[str, str]]] = {}
        self._seen: dict[tuple[str, str, str], int] = {}
        self._names: dict[str, tuple[str, str]] = {}
        """What each task was called when it last waited, as a program may rename its tasks; and the node it runs on."""

    def __getitem__(self, number: int) -> PlannedFault:
        return self._items[number].planned

    def started(self, node: TaskNode, name: str) -> Due:
        """A task is about to run for the first time: is it the rival of a `racing … @ start`?"""
        rivals = [
            item.number
            for item in self._open()
            if item.planned.at.racing is not None
            and item.planned.at.racing.where == "start"
            and task_matches(item.planned.at.racing.task, node.path, name)
        ]
        return Due((), tuple(rivals)) if rivals else NOTHING_DUE

    def waits(self, node: TaskNode, name: str, function: str, awaited: str) -> Due:
        """A task has suspended at this site. name: what it is called now (it may differ from its path's last part)."""
        key = (node.path, function, awaited)
        self._seen[key] = self._seen.get(key, 0) + 1
        self._names[node.path] = (name, node.home)
        if not self._items:
            return NOTHING_DUE
        victims: list[int] = []
        rivals: list[int] = []
        for item in self._open():
            at = item.planned.at
            if _counts_up(at.task, at.where, at.nth, item.counts, node, name, (function, awaited)):
                victims.append(item.number)
            if (
                (rival := at.racing) is not None
                and rival.where != "start"
                and _is_rival(rival, item, node, name, (function, awaited))
            ):
                rivals.append(item.number)
        return Due(tuple(victims), tuple(rivals)) if victims or rivals else NOTHING_DUE

    def landed(self, number: int) -> None:
        """The fault was delivered."""
        self._items[number].delivered = True

    def obstructed(self, number: int, why: str) -> None:
        """The fault's address was reached, but it could not be delivered there."""
        self._items[number].obstacle = why

    @property
    def is_done(self) -> bool:
        """Whether every planned fault has landed."""
        return all(item.delivered for item in self._items)

    def not_reached(self) -> tuple[NotReached, ...]:
        """The faults that did not land, each with what was there instead."""
        return tuple(self._explain(item) for item in self._items if not item.delivered)

    def _open(self) -> list[_Item]:
        return [item for item in self._items if not item.delivered]

    def _explain(self, item: _Item) -> NotReached:
        at = item.planned.at
        if item.obstacle:
            return NotReached(item.planned, item.obstacle)
        tasks = sorted({path for path, _, _ in self._seen})
        mine = [path for path in tasks if task_matches(at.task, path, *self._names[path])]
        if not mine:
            named = ", ".join(tasks[:12]) + (", …" if len(tasks) > 12 else "")
            return NotReached(
                item.planned,
                f'no task matched "{at.task}" and waited. Tasks that waited: {named}',
                tuple(tasks),
                _nearest_task(at.task, tasks),
            )
        seen = {(f, a, path): n for (path, f, a), n in self._seen.items() if path in mine}
        met = [(path, n) for (f, a, path), n in seen.items() if where_matches(at.where, f, a)]
        reached = max((sum(n for path, n in met if path == one) for one in mine), default=0)
        addresses = [format_address(Address(path, f"{f}>{a}", n)) for (f, a, path), n in seen.items()]
        wanted = format_address(at)
        if reached:
            times = counted(reached, "time")
            why = (
                f'{at.task} waited at "{at.where}" {times}; #{at.nth} does not exist'
                if reached < at.nth
                else _phase_reason(at)
            )
        else:
            why = f'{at.task} never waited at "{at.where}"'
        return NotReached(item.planned, why, tuple(sorted(addresses)), _nearest(wanted, addresses))


def _phase_reason(at: Address) -> str:
    if at.phase is Phase.RACING and at.racing is not None:
        return f"the wait was reached, but {at.racing} did not come while it lasted"
    return f'the wait was reached, but its phase "{at.phase.value}" did not come'


def _nearest_task(wanted: str, paths: list[str]) -> str:
    """By whole paths when a path was wanted, else by their last parts."""
    if "/" in wanted:
        return _nearest(wanted, paths)
    lasts = {path.rpartition("/")[2]: path for path in reversed(paths)}
    return lasts.get(_nearest(wanted, list(lasts)), "")


def _nearest(wanted: str, candidates: list[str]) -> str:
    return next(iter(difflib.get_close_matches(wanted, candidates, n=1, cutoff=0.3)), "")


def _counts_up(
    task: str, where: str, nth: int, counts: dict[int, int], node: TaskNode, name: str, site: tuple[str, str]
) -> bool:
    if not (task_matches(task, node.path, name, node.home) and where_matches(where, *site)):
        return False
    counts[node.index] = count = counts.get(node.index, 0) + 1
    return count == nth


def _is_rival(rival: Step, item: _Item, node: TaskNode, name: str, site: tuple[str, str]) -> bool:
    return _counts_up(rival.task, rival.where, rival.nth, item.rival_counts, node, name, site)
