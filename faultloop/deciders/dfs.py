"""Exhaustive search, depth first: every schedule once, or with sleep sets one of each kind.

It follows the last run up to its last question that has an answer left, gives that one, and goes on with the oldest.
With sleep sets a task that was tried at a question sleeps while only steps independent of its own follow: running it
then would only swap two steps that do not touch the same thing.
Guarantee: without sleep sets every schedule is run exactly once, and «exhausted» is a proof. With them every happens-
before class is run at least once, provided that footprints are complete and that picks offer all that is ready, or
turns; a step that makes tasks depends on all others.
Nothing else bounds it: it ends only for programs with few questions.
Source: P. Godefroid, «Partial-Order Methods for the Verification of Concurrent Systems», LNCS 1032, 1996, chapter 5.
"""

from __future__ import annotations

from collections.abc import Sequence

from faultloop.deciders.looking import LookingDecider, Touch

Sleeping = dict[int, tuple[Touch, ...] | None]
"""Tasks that sleep, and what their next step touches; None: whatever there is."""


class Fork:
    """A question on the path of the last run."""

    __slots__ = ("asleep", "chosen", "tasks", "touched")

    def __init__(self, tasks: tuple[int, ...], asleep: Sleeping) -> None:
        self.tasks = tasks
        self.asleep = asleep
        """Those that slept when it was asked, and those tried since."""
        self.chosen = next((task for task in tasks if task not in asleep), tasks[0])
        self.touched: tuple[Touch, ...] | None = None

    def advance(self) -> bool:
        """Put the task tried to sleep and choose the next. Returns False if none is left."""
        self.asleep[self.chosen] = self.touched
        left = [task for task in self.tasks if task not in self.asleep]
        if left:
            self.chosen, self.touched = left[0], None
        return bool(left)


class OnPath:
    """Answers as the path says, then with the oldest that is awake."""

    __slots__ = ("_asleep", "_fork", "_has_made", "_path", "_place", "_sleeps", "is_redundant")

    def __init__(self, path: list[Fork], *, sleeps: bool) -> None:
        self._path = path
        self._sleeps = sleeps
        self._place = 0
        self._asleep: Sleeping = {}
        self._fork: Fork | None = None
        self._has_made = False
        self.is_redundant = False
        """Whether a sleeping task had to run, so that the rest of the run is like one that was."""

    def made(self, task: int, /) -> None:
        """The running step makes tasks."""
        self._has_made = True

    def pick(self, tasks: Sequence[int], sites: Sequence[int], /) -> int:
        """The task that the path names here."""
        if self.is_redundant:
            return 0
        path = self._path
        if self._place == len(path):
            if all(task in self._asleep for task in tasks):
                self.is_redundant = True
                return 0
            path.append(Fork(tuple(tasks), dict(self._asleep)))
        fork = self._fork = path[self._place]
        self._place += 1
        # A program that is not deterministic may offer other tasks than last time.
        return tasks.index(fork.chosen) if fork.chosen in tasks else 0

    def ran(self, task: int, site: int, touched: Sequence[Touch], /) -> None:
        """Wake what depends on this step."""
        fork, self._fork = self._fork, None
        has_made, self._has_made = self._has_made, False
        if not self._sleeps or self.is_redundant:
            return
        step = None if has_made else tuple(touched)
        if fork is not None:
            fork.touched = step
            self._asleep = dict(fork.asleep)
        elif task in self._asleep:
            self.is_redundant = True
            return
        self._asleep = {
            other: next_step
            for other, next_step in self._asleep.items()
            if other != task and are_independent(step, next_step)
        }


def are_independent(one: Sequence[Touch] | None, other: Sequence[Touch] | None) -> bool:
    """Whether two steps may be swapped: no object that both touch and one writes to."""
    if one is None or other is None:
        return False
    writes = dict[int, bool]()
    for number, is_write in one:
        writes[number] = writes.get(number, False) or is_write
    return not any(number in writes and (is_write or writes[number]) for number, is_write in other)


class Dfs:
    """Depth first through all schedules; `sleeps` with sleep sets."""

    is_exhausted = False

    def __init__(self, *, sleeps: bool = False) -> None:
        self.name = "dfs-sleep" if sleeps else "dfs"
        self.needs_footprints = sleeps
        self._sleeps = sleeps
        self._path: list[Fork] = []

    def decider(self) -> LookingDecider:
        """Answers the next run."""
        return OnPath(self._path, sleeps=self._sleeps)

    def learn(self, decider: LookingDecider, /, *, failed: bool) -> None:
        """Step back to the last question that has an answer left."""
        path = self._path
        while path and not path[-1].advance():
            path.pop()
        self.is_exhausted = not path
