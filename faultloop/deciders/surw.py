"""SURW: uniform over the orders in which tasks touch one shared object, those not seen before first.

A run draws one object that several tasks touch, and which task is to touch it next, in proportion to how many unseen
orders begin so. The others are held back where their next step is likely to touch it; everything else goes at random.
Guarantee: where counts and footprints are right, the unseen orders of the steps on that object are equally likely,
whatever else the tasks do, and none is repeated before all were seen.
Source: H. Zhao, D. Wolff, U. Mathur, A. Roychoudhury, «Selectively Uniform Concurrency Testing», ASPLOS 2025. There a
subset of steps is chosen; here it is those on one object. Leaving out what was seen is this project's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import exp
from random import Random

from faultloop.deciders.accesses import LOG_ORDERS_MAX, Accesses, Order, log_orders
from faultloop.deciders.footprints import Footprints
from faultloop.deciders.lengths import Lengths
from faultloop.deciders.looking import LookingDecider, Touch, study, watched


class OneObject:
    """Answers so that the intended task is the next to touch the object."""

    __slots__ = ("_draw", "_intended", "_left", "_number", "_patience", "_place", "_random", "_total", "_touching")

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
        self._random = random
        self._draw: Callable[[], float] = random.random
        self._number = number
        self._left = dict(sorted(counts.items()))
        self._total = sum(counts.values())
        self._touching = touching
        """The sites from which a step is likely to touch the object, as bits."""
        self._place = order
        """What is known of the orders that begin as this run did."""
        self._intended = 0

    def made(self, task: int, /) -> None:
        """Of no interest."""

    def pick(self, tasks: Sequence[int], sites: Sequence[int], /) -> int:
        """The intended task, or any that will not touch the object."""
        if not self._intended and self._total > 0:
            self._intend()
        intended, touching = self._intended, self._touching
        free = [
            index
            for index, (task, site) in enumerate(zip(tasks, sites, strict=True))
            if task == intended or not touching >> site & 1
        ]
        if self._patience < 0:
            return int(self._draw() * len(tasks))
        if free:
            self._patience -= len(free) < len(tasks)
            return free[int(self._draw() * len(free))]
        if intended:
            if self._place is not None:
                self._place.failed[intended] = self._place.failed.get(intended, 0) + 1
            self._intended = 0
        return int(self._draw() * len(tasks))

    def _intend(self) -> None:
        waiting = [task for task, count in self._left.items() if count > 0]
        weights = [float(self._left[task]) for task in waiting]
        place = self._place
        if place is not None:
            unseen = self._unseen(place, waiting)
            if any(unseen):
                weights = unseen
        self._intended = self._random.choices(waiting, weights)[0]

    def _unseen(self, place: Order, waiting: list[int]) -> list[float]:
        """Per task: how many unseen orders begin with it, from here; less where it failed to be the next."""
        log = log_orders(self._left)
        if log > LOG_ORDERS_MAX:
            return []
        orders = exp(log) / self._total
        unseen: list[float] = []
        for task in waiting:
            following = place.next.get(task)
            left = orders * self._left[task] - (following.seen if following else 0)
            unseen.append(max(0.0, round(left)) / (1 + place.failed.get(task, 0)) ** 2)
        return unseen

    def ran(self, task: int, site: int, touched: Sequence[Touch], /) -> None:
        """Count its touch; the next one is drawn anew when this was the intended one."""
        for number, _ in touched:
            if number == self._number:
                count = self._left.get(task, 0)
                if count > 0:
                    self._left[task] = count - 1
                    self._total -= 1
                # The next is drawn anew even if another went first: the beginning is not the one it was drawn for.
                self._intended = 0
                if self._place is not None:
                    self._place = self._place.next.get(task) or Order()
                return


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
        counts, orders = self.accesses.counts, self.accesses.orders
        if not counts:
            return watched(OneObject(self._random, 0, {}, None, touching=0, patience=0))
        number = self._random.choice(sorted(counts))
        touching = self.footprints.touching.get(number, 0)
        left, order = self.accesses.contending(number), orders.get(number)
        patience = self.lengths.patience
        return watched(OneObject(self._random, number, left, order, touching=touching, patience=patience))

    def learn(self, decider: LookingDecider, /, *, failed: bool) -> None:
        """Learn what steps touch, how often, and in which orders."""
        study(decider, self.footprints, self.accesses, self.lengths)
