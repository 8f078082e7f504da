"""Which happens-before classes were seen, and what is still open below a point of a run.

Two runs are of one class when each step saw what it touched in the same state. A state is what happened so far, summed
over the steps whatever their order; it is closed when every way to go on from it was seen.

Rule 1: a step is known by the step of its task before it (or the step that made the task) and by the last touches of
what it touches. Where footprints are complete, a step that is known does the same again.
Rule 2: nothing is closed on a guess: only if each way on leads, by known steps alone, to what is closed.
Rule 3: hashes are of integers only, so they are the same in every process of one version of Python.
"""

from __future__ import annotations

from collections.abc import Sequence

from faultloop.deciders.looking import Touch

_MASK = (1 << 64) - 1
START = 0
"""The state before the first step."""


class Classes:
    """What is known of all runs so far."""

    __slots__ = ("closed", "ends", "habits", "known")

    def __init__(self) -> None:
        self.closed: set[int] = set()
        """States from which every way on was seen."""
        self.ends: set[int] = set()
        """The last state of each run: one per class."""
        self.habits: dict[int, list[tuple[Touch, ...]]] = {}
        """Per step: what the next step of its task was seen to touch. That depends on what others did meanwhile."""
        self.known: set[int] = set()
        """Steps that were seen."""


class Position:
    """Where a run stands among the classes."""

    __slots__ = ("_asked", "_classes", "_newborn", "_of_object", "_of_task", "_taken", "state")

    def __init__(self, classes: Classes) -> None:
        self._classes = classes
        self._of_task: list[int] = [0]
        """Per task: its last step. Place 0 is nobody's."""
        self._newborn: list[int] = []
        self._of_object: dict[int, tuple[int, int]] = {}
        """Per object: its last write, and the sum of the reads since."""
        self._asked: list[Sequence[int]] = []
        """Per step: the tasks it was chosen from; empty if there was no choice."""
        self._taken: list[tuple[int, int, int, dict[int, tuple[int, int]]]] = []
        """Per step: its task, and what stood before: the task's last step, the state, what it touched."""
        self.state = START

    def made(self, task: int) -> None:
        """A task was made by the step that is running."""
        self._of_task.append(hash((task, 0)))
        self._newborn.append(task)

    def after(self, task: int) -> int | None:
        """The state after this task's next step, or None if that step was never seen."""
        past = self._of_task[task]
        known = self._classes.known
        for touched in self._classes.habits.get(past, ()):
            step = self._step(past, touched)
            if step in known:
                return self.state + step & _MASK
        return None

    def is_closed(self, task: int) -> bool:
        """Whether nothing new can come of running this task now."""
        return self.after(task) in self._classes.closed

    def _step(self, past: int, touched: Sequence[Touch]) -> int:
        step = hash((past, 1))
        of_object = self._of_object
        for number, is_write in touched:
            write, reads = of_object.get(number, (0, 0))
            step = hash((step, number, is_write, write, reads if is_write else 0))
        return step

    def move(self, task: int, touched: tuple[Touch, ...], asked: Sequence[int]) -> None:
        """This task's step is over; it was chosen from those asked about."""
        classes = self._classes
        past = self._of_task[task]
        step = self._step(past, touched)
        if step not in classes.known:
            classes.known.add(step)
            habits = classes.habits.setdefault(past, [])
            if touched not in habits:
                habits.append(touched)
        before: dict[int, tuple[int, int]] = {}
        for number, is_write in touched:
            old = self._of_object.get(number, (0, 0))
            before.setdefault(number, old)
            self._of_object[number] = (step, 0) if is_write else (old[0], old[1] + step & _MASK)
        self._taken.append((task, past, self.state, before))
        self._asked.append(asked)
        self._of_task[task] = step
        self.state = self.state + step & _MASK
        if self._newborn:
            for place, child in enumerate(self._newborn):
                if child != task:
                    self._of_task[child] = hash((step, place, 2))
            self._newborn.clear()

    def finish(self) -> None:
        """The run is over: close its end, and what is closed by that, taking steps back until something is open."""
        closed = self._classes.closed
        closed.add(self.state)
        self._classes.ends.add(self.state)
        while self._taken:
            task, past, self.state, before = self._taken.pop()
            self._of_task[task] = past
            self._of_object.update(before)
            for other in self._asked.pop():
                if other != task and self.after(other) not in closed:
                    return
            closed.add(self.state)
