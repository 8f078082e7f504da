"""SURW: uniform over the orders in which tasks touch one shared object, those not seen before first.

A run draws one object that several tasks touch, and which task is to touch it next, in proportion to how many unseen
orders begin so. The others are held back where their next step is likely to touch it; everything else goes at random.
Guarantee: where counts and footprints are right and all that is ready is offered, the unseen orders of the steps on
that object are equally likely, whatever else the tasks do, and none is repeated before all were seen.
Source: H. Zhao, D. Wolff, U. Mathur, A. Roychoudhury, «Selectively Uniform Concurrency Testing», ASPLOS 2025. There a
subset of steps is chosen; here it is those on one object. Leaving out what was seen is this project's.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Sequence
from itertools import accumulate
from math import exp, log
from random import Random

from faultloop.deciders.accesses import LOG_ORDERS_MAX, Accesses, Order, log_orders
from faultloop.deciders.footprints import Footprints, members
from faultloop.deciders.lengths import Lengths
from faultloop.deciders.looking import LookingDecider, Touch, study, watched


class OneObject:
    """Answers so that the intended task is the next to touch the object."""

    __slots__ = ("_draw", "_intended", "_left", "_log_orders", "_number", "_patience", "_place", "_pool", "_touching")

    def __init__(
        self,
        random: Random,
        number: int,
        counts: dict[int, int],
        order: Order | None,
        *,
        touching: int,
        patience: int,
    ) -> None:
        self._patience = patience
        self._draw: Callable[[], float] = random.random
        self._number = number
        self._left = dict(sorted((task, count) for task, count in counts.items() if count))
        """Per task: the touches it has left, those with none left out."""
        self._pool = [task for task, count in self._left.items() for _ in range(count)]
        """The same tasks, each as often as it has touches left."""
        self._log_orders = log_orders(counts)
        self._touching = frozenset(members(touching))
        """The sites from which a step is likely to touch the object."""
        self._place = order
        """What is known of the orders that begin as this run did."""
        self._intended = 0

    def made(self, task: int, /) -> None:
        """Of no interest."""

    def pick(self, tasks: Sequence[int], sites: Sequence[int], /) -> int:
        """The intended task, or any that will not touch the object, each as likely."""
        draw, touching = self._draw, self._touching
        index = int(draw() * len(tasks))
        if sites[index] not in touching or self._patience < 0:
            return index
        if not self._intended and self._left:
            self._intend()
        intended = self._intended
        if tasks[index] == intended:
            return index
        index = int(draw() * len(tasks))  # often enough the second draw may go on, and spares looking at all
        if sites[index] not in touching or tasks[index] == intended:
            self._patience -= 1
            return index
        free = [place for place, site in enumerate(sites) if site not in touching or tasks[place] == intended]
        if free:
            self._patience -= 1
            return free[int(draw() * len(free))]
        if intended:
            if self._place is not None:
                self._place.failed[intended] = self._place.failed.get(intended, 0) + 1
            self._intended = 0
        return index

    def _intend(self) -> None:
        if self._place is not None:
            unseen = list(accumulate(self._unseen(self._place)))
            if unseen and unseen[-1] > 0:
                self._intended = list(self._left)[bisect(unseen, self._draw() * unseen[-1])]
                return
        self._intended = self._pool[int(self._draw() * len(self._pool))]

    def _unseen(self, place: Order) -> list[float]:
        """Per task: how many unseen orders begin with it, from here; less where it failed to be the next."""
        if self._log_orders > LOG_ORDERS_MAX:
            return []
        orders = exp(self._log_orders) / len(self._pool)
        unseen: list[float] = []
        for task, count in self._left.items():
            following = place.next.get(task)
            left = orders * count - (following.seen if following else 0)
            unseen.append(max(0.0, round(left)) / (1 + place.failed.get(task, 0)) ** 2)
        return unseen

    def ran(self, task: int, site: int, touched: Sequence[Touch], /) -> None:
        """Count its touch; the next one is drawn anew when this was the intended one."""
        for number, _ in touched:
            if number == self._number:
                self._count(task)
                # The next is drawn anew even if another went first: the beginning is not the one it was drawn for.
                self._intended = 0
                if self._place is not None:
                    self._place = self._place.next.get(task) or Order()
                return

    def _count(self, task: int) -> None:
        left = self._left
        if count := left.get(task, 0):
            if self._place is not None:
                self._log_orders += log(count / len(self._pool))
            self._pool.remove(task)
            if count > 1:
                left[task] = count - 1
            else:
                del left[task]


class Surw:
    """Selectively uniform: one shared object a run."""

    name = "surw"
    needs_footprints = True
    is_exhausted = False

    def __init__(
        self,
        random: Random,
        *,
        footprints: Footprints | None = None,
        accesses: Accesses | None = None,
        lengths: Lengths | None = None,
    ) -> None:
        self._random = random
        self.footprints = footprints or Footprints()
        self.accesses = accesses or Accesses()
        self.lengths = lengths or Lengths()

    def decider(self) -> LookingDecider:
        """Answers the next run."""
        of = self.accesses.of
        if not of:
            return watched(OneObject(self._random, 0, {}, None, touching=0, patience=0))
        number = self._random.choice(list(of))
        touching = self.footprints.touching.get(number, 0)
        left, order = of[number].contending(), of[number].order
        patience = self.lengths.patience
        return watched(OneObject(self._random, number, left, order, touching=touching, patience=patience))

    def learn(self, decider: LookingDecider, /, *, failed: bool) -> None:
        """Learn what steps touch, how often, and in which orders."""
        study(decider, self.footprints, self.accesses, self.lengths)
