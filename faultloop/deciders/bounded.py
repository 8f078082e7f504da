"""Bounded search: every schedule with the fewest deviations first.

A base order needs no answer; each deviation from it costs. Schedules are run in order of total cost, each once: after a
run, its deviations at every later question are queued, the cheaper ones first.
 - `preemption`: going on with the same task is free, and so is any choice when it cannot go on; a switch away costs 1.
 - `delay`: round robin without preemption (the same task, else the next higher ordinal); passing over a task costs 1.
 - `delay-fifo`: the oldest first, as plain asyncio has it; passing over a task costs 1.
Guarantee: when `cost` has reached c, every schedule that costs less than c was run; exhausted means all of them.
Sources: M. Musuvathi, S. Qadeer, «Iterative Context Bounding for Systematic Testing of Multithreaded Programs», PLDI
2007; M. Emmi, S. Qadeer, Z. Rakamarić, «Delay-Bounded Scheduling», POPL 2011.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from typing import Literal

from faultloop.deciders.looking import LookingDecider, Touch

Bound = Literal["preemption", "delay", "delay-fifo"]


@dataclass(frozen=True, slots=True)
class Question:
    """A question that was asked: which rank of the base order was answered, of how many, and whether ranks cost."""

    rank: int
    options: int
    is_free: bool


class Ranked:
    """Answers with given ranks of the base order, then with its first."""

    __slots__ = ("_bound", "_last", "_ranks", "asked")

    def __init__(self, bound: Bound, ranks: Sequence[int]) -> None:
        self._bound = bound
        self._ranks = ranks
        self._last = 0
        self.asked: list[Question] = []

    def made(self, task: int, /) -> None:
        """Of no interest."""

    def pick(self, tasks: Sequence[int], sites: Sequence[int], /) -> int:
        """The task of the given rank."""
        place = len(self.asked)
        rank = self._ranks[place] if place < len(self._ranks) else 0
        # A program that is not deterministic may offer fewer tasks than last time.
        rank = min(rank, len(tasks) - 1)
        is_free = self._bound == "preemption" and self._last not in tasks
        self.asked.append(Question(rank, len(tasks), is_free))
        return self._order(tasks)[rank]

    def _order(self, tasks: Sequence[int]) -> list[int]:
        places = list(range(len(tasks)))
        last = self._last
        if self._bound == "delay":
            places.sort(key=lambda place: (tasks[place] < last, tasks[place]))
        elif self._bound == "preemption" and last in tasks:
            places.sort(key=lambda place: tasks[place] != last)
        return places

    def ran(self, task: int, site: int, touched: Sequence[Touch], /) -> None:
        """Remember who ran."""
        self._last = task


class Bounded:
    """All schedules, by cost."""

    needs_footprints = False

    def __init__(self, bound: Bound = "delay") -> None:
        self.name = bound
        self._bound: Bound = bound
        self._next: list[int] = []
        self._queue: list[tuple[int, int, list[int], Iterator[tuple[int, list[int]]]]] = []
        self._order = count()
        self.cost = 0
        """What the next run costs; every cheaper schedule was run."""
        self.is_exhausted = False

    def decider(self) -> LookingDecider:
        """Answers the next run."""
        return Ranked(self._bound, self._next)

    def learn(self, decider: LookingDecider, /, *, failed: bool) -> None:
        """Queue the deviations from this run, and choose the next."""
        assert isinstance(decider, Ranked), decider
        self._push(self._deviations(decider.asked, len(self._next), self.cost))
        if not self._queue:
            self.is_exhausted = True
            return
        self.cost, _, self._next, more = heappop(self._queue)
        self._push(more)

    def _push(self, more: Iterator[tuple[int, list[int]]]) -> None:
        following = next(more, None)
        if following is not None:
            heappush(self._queue, (following[0], next(self._order), following[1], more))

    def _deviations(self, asked: list[Question], begin: int, base: int) -> Iterator[tuple[int, list[int]]]:
        """One more deviation, after the last one, by cost. Yields the whole cost and the ranks up to it."""
        options_max = max((question.options for question in asked), default=0)
        for cost in range(options_max):
            for place in range(begin, len(asked)):
                for rank in self._ranks_of(asked[place], cost):
                    yield base + cost, [*(question.rank for question in asked[:place]), rank]

    def _ranks_of(self, question: Question, cost: int) -> range:
        if self._bound == "preemption":
            return range(1, question.options) if cost == (not question.is_free) else range(0)
        return range(cost, cost + 1) if 0 < cost < question.options else range(0)
