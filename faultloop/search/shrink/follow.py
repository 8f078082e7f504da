"""Deciders that follow a script, and say what really happened.

Rule 1: pure; they fit the protocol of deciders that look.
Rule 2: they cannot fail. What a script asks for and is not ready is passed over, so any edit of a script is a script.
Rule 3: `pick` and `ran` may alternate, or all picks of a turn may come before its first step: a step that was picked is
counted when it is picked, any other when it has run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from faultloop.search.shrink.script import Attempt, Base, Before, Departure, Listing, Moment, Orders, Script

Touched = Sequence[tuple[int, bool]]
NumberOf = Callable[[int], int]


class _Log:
    """Counts steps, and sees where a run departs from its base."""

    def __init__(self, base: Base) -> None:
        self.base: Base = base
        self.current = -1
        self._counts: dict[int, int] = {}
        self._picked: dict[int, int] = {}
        self._counted = 0
        self._schedule: list[int] = []
        self._departures: list[Departure] = []

    def upcoming(self, task: int) -> Moment:
        """The step that the task would run now."""
        return Moment(task, self._counts.get(task, 0) + 1)

    def usual(self, tasks: Sequence[int]) -> int:
        """The index of the task that the base lets go next."""
        return tasks.index(self.current) if self.base == "run-on" and self.current in tasks else 0

    def pick(self, tasks: Sequence[int], index: int) -> None:
        """This one of them goes next."""
        usual = self.usual(tasks)
        task = tasks[index]
        if index != usual:
            order = Before(self.upcoming(task), self.upcoming(tasks[usual]))
            is_preemption = self.base == "run-on" and self.current in tasks
            self._departures.append(Departure(self._counted, order, is_preemption))
        self._picked[task] = self._picked.get(task, 0) + 1
        self._count(task)

    def ran(self, task: int) -> bool:
        """A step is over. Returns whether it had not been picked, so that it counts only now."""
        self._schedule.append(task)
        if self._picked.get(task, 0):
            self._picked[task] -= 1
            return False
        self._count(task)
        return True

    def _count(self, task: int) -> None:
        self._counts[task] = self._counts.get(task, 0) + 1
        self._counted += 1
        self.current = task

    def attempt(self, failed: bool) -> Attempt:
        schedule = tuple(self._schedule)
        return Attempt(failed, schedule, tuple(d for d in self._departures if d.at < len(schedule)))


class FollowBlocks:
    """Lets the first listed task that is ready go, else the one that the listing's base says.

    number_of: what the listing calls the task with this ordinal, for a listing that was made for another run.
    """

    def __init__(self, listing: Listing, number_of: NumberOf | None = None) -> None:
        self._log = _Log(listing.base)
        self._number_of = number_of
        self._places: dict[int, deque[int]] = {}
        for place, task in enumerate(listing.tasks):
            self._places.setdefault(task, deque()).append(place)

    def made(self, _task: int, /) -> None:
        """Of no interest."""

    def pick(self, tasks: Sequence[int], _sites: Sequence[int], /) -> int:
        """The index of the task that is listed first, else of the base's choice."""
        named = tasks if self._number_of is None else [self._number_of(task) for task in tasks]
        places = self._places
        listed = [(places[task][0], index) for index, task in enumerate(named) if places.get(task)]
        index = min(listed)[1] if listed else self._log.usual(named)
        self._cross_off(named[index])
        self._log.pick(named, index)
        return index

    def ran(self, task: int, _site: int, _touched: Touched, /) -> None:
        """Crosses off a step that was no choice."""
        number = task if self._number_of is None else self._number_of(task)
        if self._log.ran(number):
            self._cross_off(number)

    def attempt(self, failed: bool) -> Attempt:
        """What the run did, now that it is over. failed: and for the same cause."""
        return self._log.attempt(failed)

    def _cross_off(self, task: int) -> None:
        if places := self._places.get(task):
            places.popleft()


class FollowOrders:
    """Lets the oldest go, unless an order wants another step first and that one's task is ready.

    number_of: see FollowBlocks.
    """

    def __init__(self, orders: Orders, number_of: NumberOf | None = None) -> None:
        self._log = _Log("oldest")
        self._number_of = number_of
        self._firsts: dict[Moment, list[Moment]] = {}
        for order in orders.orders:
            self._firsts.setdefault(order.then, []).append(order.first)

    def made(self, _task: int, /) -> None:
        """Of no interest."""

    def pick(self, tasks: Sequence[int], _sites: Sequence[int], /) -> int:
        """The index of the oldest that no order holds back."""
        named = tasks if self._number_of is None else [self._number_of(task) for task in tasks]
        upcoming = [self._log.upcoming(task) for task in named]
        index = 0
        for _ in named:  # at most one after the other: orders may go round in a circle
            firsts = self._firsts.get(upcoming[index], ())
            ahead = next((i for first in firsts for i, step in enumerate(upcoming) if _leads_to(step, first)), index)
            if ahead == index:
                break
            index = ahead
        self._log.pick(named, index)
        return index

    def ran(self, task: int, _site: int, _touched: Touched, /) -> None:
        """Counts a step that was no choice."""
        self._log.ran(task if self._number_of is None else self._number_of(task))

    def attempt(self, failed: bool) -> Attempt:
        """What the run did, now that it is over. failed: and for the same cause."""
        return self._log.attempt(failed)


def _leads_to(step: Moment, later: Moment) -> bool:
    return step.task == later.task and step.nth <= later.nth


Follower = FollowBlocks | FollowOrders


def follow(script: Script, number_of: NumberOf | None = None) -> Follower:
    """A decider for one run by this script."""
    if isinstance(script, Listing):
        return FollowBlocks(script, number_of)
    return FollowOrders(script, number_of)
