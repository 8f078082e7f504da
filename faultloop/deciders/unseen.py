"""Unseen: what another strategy would do, but never again what was seen in full.

Another strategy picks. Where its pick leads only to happens-before classes that were all seen, it picks again from the
tasks that lead to something new. So it is a search without repetition that goes where the other strategy goes first.
Guarantee: where footprints are complete, each run is of a class not seen before, unless a step never seen turns out to
lead to one; and when nothing is open, every class was seen that the offers lead to: where all that is ready is offered,
the program was explored in full, whatever the order. Where footprints are not complete, «exhausted» means the classes
of what can be seen. With too many classes to keep, it never ends and goes on as the other strategy would.
Source: this project; classes are those of A. Mazurkiewicz, «Trace Theory», 1987, and not repeating them is what partial
order reduction is after (C. Flanagan, P. Godefroid, «Dynamic Partial-Order Reduction for Model Checking Software», POPL
2005), here by remembering states instead of by backtracking.
"""

from __future__ import annotations

from collections.abc import Sequence

from faultloop.deciders.classes import START, Classes, Position
from faultloop.deciders.looking import LookingDecider, Strategy, Touch


class Fresh:
    """Answers as its base does, unless that leads only to what was seen."""

    __slots__ = ("_base_ran", "_closed", "_is_filtering", "_move", "base", "position")

    def __init__(self, base: LookingDecider, classes: Classes, *, is_filtering: bool = True) -> None:
        self.base = base
        self.position = position = Position(classes)
        self._move, self._base_ran = position.move, base.ran
        self._is_filtering = is_filtering
        self._closed = classes.closed

    def made(self, task: int, /) -> None:
        """Pass it on."""
        self.position.made(task)
        self.base.made(task)

    def pick(self, tasks: Sequence[int], sites: Sequence[int], /) -> int:
        """What the base picks, of all or of those that lead to something new."""
        position = self.position
        position.ask(tasks)
        index = self.base.pick(tasks, sites)
        if not self._is_filtering or not position.is_closed(tasks[index]) or position.state in self._closed:
            return index
        free = [place for place, task in enumerate(tasks) if place != index and not position.is_closed(task)]
        if len(free) < 2:
            return free[0] if free else index
        return free[self.base.pick([tasks[place] for place in free], [sites[place] for place in free])]

    def ran(self, task: int, site: int, touched: Sequence[Touch], /) -> None:
        """Note where the run stands, and pass it on."""
        touches = tuple(touched)
        self._move(task, touches)
        self._base_ran(task, site, touches)


class Unseen:
    """Wraps a strategy so that it does not repeat itself."""

    needs_footprints = True

    def __init__(self, base: Strategy, *, classes: Classes | None = None) -> None:
        """classes: what was seen, and what picks are offered."""
        self.name = f"unseen-{base.name}"
        self.base = base
        self.classes = classes or Classes()

    @property
    def is_exhausted(self) -> bool:
        """Whether every class was seen that the offers lead to, as far as footprints tell classes apart."""
        return START in self.classes.closed

    def decider(self) -> LookingDecider:
        """Answers the next run."""
        base = self.base.decider()
        return base if self.classes.is_full else Fresh(base, self.classes)

    def learn(self, decider: LookingDecider, /, *, failed: bool) -> None:
        """Close what was seen, and let the other strategy learn."""
        self.base.learn(watched_by(decider), failed=failed)


def watched_by(decider: LookingDecider) -> LookingDecider:
    """The decider that a fresh one asked, after closing what was seen; any other as it is."""
    if not isinstance(decider, Fresh):
        return decider
    decider.position.finish()
    return decider.base
