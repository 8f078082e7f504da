"""Which happens-before classes were seen, and what is still open below a point of a run.

Two runs are of one class when each step saw what it touched in the same state. A state is what happened so far, summed
over the steps whatever their order; it is closed when every way to go on from it was seen.

Rule 1: a step is known by the step of its task before it (or the step that made the task) and by the last touches of
what it touches. Where footprints are complete, a step that is known does the same again.
Rule 2: nothing is closed on a guess: only if each way on leads, by known steps alone, to what is closed.
Rule 3: what is offered next belongs to a state. Where all that is ready is offered, what happened tells it. So it does
where turns are offered: the first turn is the same in all runs, and the steps of a turn tell who is in the next. Under
any other rule it does not, and only the same schedule is the same state: there every step touches the schedule.
Rule 4: bounded. From ENTRIES_MAX entries on everything is forgotten and nothing is watched or claimed any more. To
watch a run costs about an eighth of it: where fewer than one in RARELY meet what is closed, one in RARELY is watched.
Rule 5: hashes are of integers only, so they are the same in every process of one version of Python.
"""

from __future__ import annotations

from collections.abc import Sequence

from faultloop.deciders.looking import Offers, Touch

_MASK = (1 << 64) - 1
START = 0
"""The state before the first step."""
Footprint = tuple[int, tuple[Touch, ...]]
"""What a step touched, in short: the hash of all its touches in order, and each object once, with whether any of them
wrote to it. A step asks a queue the same again and again; what it finds there follows from the first time."""
UNTOUCHED: Footprint = (1, ())
NOBODY: tuple[int, Footprint, int] = (0, UNTOUCHED, 0)
SCHEDULE = ((-1, True),)
"""What a step touches if its place among all others is to matter."""
Past = tuple[int, int]
"""What happened to an object: its last write, and the sum of the reads since."""
NOTHING = (0, 0)
"""What happened to an object that nobody touched."""
ENTRIES_MAX = 300_000
OPTIONS_MAX = 1_000
"""A question with as many options is never closed: there may be more than were offered."""
RARELY = 8
MEMORY = 32
"""About how many of the last watched runs count for how many of them meet something."""


class Classes:
    """What is known of all runs so far."""

    __slots__ = ("_footprints", "_meeting", "_runs", "closed", "ends", "habits", "is_full", "known", "offers")

    def __init__(self, offers: Offers = "all") -> None:
        """offers: which of the ready tasks picks are offered."""
        self.offers: Offers = offers
        self.closed: set[int] = set()
        """States from which every way on was seen."""
        self.ends: set[int] = set()
        """The last state of each run: one per class."""
        self.habits: dict[int, tuple[Footprint, ...]] = {}
        """Per step: what the next step of its task was seen to touch. That depends on what others did meanwhile."""
        self.known: set[int] = set()
        """Steps that were seen."""
        self.is_full = False
        """Whether there were too many to keep."""
        self._footprints: dict[tuple[Touch, ...], Footprint] = {(): UNTOUCHED}
        """By what was touched in order; one of each."""
        self._meeting = 1.0
        """About how many of the watched runs met what was closed, as a share."""
        self._runs = 0

    def will_watch(self) -> bool:
        """Whether it is worth its time to follow the next run."""
        self._runs += 1
        return not self.is_full and (self._meeting * RARELY >= 1 or self._runs % RARELY == 0)

    def footprint(self, touched: tuple[Touch, ...]) -> Footprint:
        """What was touched, in short."""
        known = self._footprints.get(touched)
        if known is None:
            written = dict.fromkeys((number for number, _ in touched), False)
            written.update((number, True) for number, is_write in touched if is_write)
            known = self._footprints[touched] = (hash(touched), tuple(written.items()))
        return known

    def add_step(self, step: int, past: int, footprint: Footprint) -> None:
        """A step was seen for the first time."""
        self.known.add(step)
        habits = self.habits.get(past, ())
        if footprint not in habits:
            self.habits[past] = (*habits, footprint)

    def add_end(self, state: int, *, has_met: bool) -> None:
        """A watched run is over. has_met: whether it met what was closed."""
        self._meeting += ((has_met or state in self.ends) - self._meeting) / MEMORY
        self.ends.add(state)
        self.closed.add(state)
        if len(self.known) + len(self.closed) + len(self.ends) > ENTRIES_MAX:
            self.is_full = True
            for table in (self.known, self.closed, self.ends, self.habits, self._footprints):
                table.clear()


class Position:
    """Where a run stands among the classes."""

    __slots__ = (
        "_asked",
        "_classes",
        "_closed",
        "_footprint",
        "_foreseen",
        "_habits",
        "_has_met",
        "_is_by_schedule",
        "_known",
        "_newborn",
        "_of_object",
        "_of_task",
        "_taken",
        "state",
    )

    def __init__(self, classes: Classes) -> None:
        self._classes = classes
        self._closed, self._habits, self._known = classes.closed, classes.habits, classes.known
        self._footprint = classes.footprint
        self._is_by_schedule = classes.offers == "some"
        self._of_task: list[int] = [0]
        """Per task: its last step. Place 0 is nobody's."""
        self._newborn: list[int] = []
        self._of_object: dict[int, Past] = {}
        """Per object: its last write, and the sum of the reads since."""
        self._asked: Sequence[int] = ()
        self._taken: list[tuple[int, Sequence[int], int, int, list[tuple[int, Past]]]] = []
        """Per step: its task, the tasks it was chosen from (empty if there was no choice), and what stood before: the
        state, the task's last step, what it touched."""
        self._foreseen: tuple[int, Footprint, int] = NOBODY
        """What was last asked about: a task, what it would touch, and the step that this would be."""
        self._has_met = False
        self.state = START

    @property
    def mark(self) -> int | None:
        """What tells the class of a run that is over; None where a state is a schedule, of which a class has many."""
        return None if self._is_by_schedule else self.state

    def made(self, task: int) -> None:
        """A task was made by the step that is running."""
        self._of_task.append(hash((task, 0)))
        self._newborn.append(task)

    def ask(self, tasks: Sequence[int]) -> None:
        """One of these goes next."""
        self._asked = tasks

    def after(self, task: int) -> int | None:
        """The state after this task's next step, or None if that step was never seen."""
        past = self._of_task[task]
        for footprint in self._habits.get(past, ()):
            step = self._step(past, footprint)
            if step in self._known:
                self._foreseen = (task, footprint, step)
                return self.state + step & _MASK
        return None

    def is_closed(self, task: int) -> bool:
        """Whether nothing new can come of running this task now."""
        if self.after(task) in self._closed:
            self._has_met = True
            return True
        return False

    def _step(self, past: int, footprint: Footprint) -> int:
        of_object = self._of_object
        seen = [past, footprint[0]]
        for number, is_written in footprint[1]:
            write, reads = of_object.get(number, NOTHING)
            seen.append(write)
            if is_written:
                seen.append(reads)
        return hash(tuple(seen))

    def move(self, task: int, touched: tuple[Touch, ...]) -> None:
        """This task's step is over."""
        if self._is_by_schedule:
            touched = SCHEDULE
        footprint = self._footprint(touched)
        past, state = self._of_task[task], self.state
        foreseen_task, foreseen, step = self._foreseen
        if foreseen_task != task or foreseen is not footprint:
            step = self._step(past, footprint)
            if step not in self._known:
                self._classes.add_step(step, past, footprint)
        self._foreseen = NOBODY
        before: list[tuple[int, Past]] = []
        of_object = self._of_object
        for number, is_written in footprint[1]:
            old = of_object.get(number, NOTHING)
            before.append((number, old))
            of_object[number] = (step, 0) if is_written else (old[0], old[1] + step & _MASK)
        self._taken.append((task, self._asked, state, past, before))
        self._asked = ()
        self._of_task[task] = step
        self.state = state + step & _MASK
        if self._newborn:
            for place, child in enumerate(self._newborn):
                if child != task:
                    self._of_task[child] = hash((step, place, 2))
            self._newborn.clear()

    def finish(self) -> None:
        """The run is over: close its end, and what is closed by that, taking steps back until something is open."""
        closed = self._closed
        self._classes.add_end(self.state, has_met=self._has_met)
        while self._taken and not self._classes.is_full:
            task, asked, self.state, past, before = self._taken.pop()
            self._of_task[task] = past
            for number, old in before:
                self._of_object[number] = old
            if len(asked) >= OPTIONS_MAX:
                return
            for other in asked:
                if other != task and self.after(other) not in closed:
                    return
            closed.add(self.state)
