"""Looking before answering: deciders that know which tasks are ready, and strategies that learn over many runs.

A `LookingDecider` answers one run's order questions. A `Strategy` makes a decider for each run and learns from the runs
that are over. Tasks are ordinals in order of creation, from 1. Sites are numbers of await points, the same in every run
of one exploration; 0 is a first step. Objects are numbers of what tasks share, the same in every run where they can be.

Rule 1: pure. Nothing here knows a loop, a task or a clock, and all chance comes from a `random.Random` that is given.
Rule 2: answers never depend on addresses or on the order of a set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol, cast

Touch = tuple[int, bool]
"""An object that a step touched, and whether it wrote to it."""

Step = tuple[int, int, tuple[Touch, ...]]
"""One step that is over: its task, the site it started from, what it touched, in order."""

Offers = Literal["all", "turn", "some"]
"""Which of the ready tasks a pick offers: all of them · those of the present turn that have not run, while what becomes
ready meanwhile waits for the next · some, by a rule that strategies know nothing of."""


class LookingDecider(Protocol):
    """Answers the order questions of one run, knowing what is ready."""

    def made(self, task: int, /) -> None:
        """A task was made, by the step that is running. Numbers are dense, from 1."""
        ...

    def pick(self, tasks: Sequence[int], sites: Sequence[int], /) -> int:
        """Which of these goes next. tasks: at least 2 that are ready, oldest first; sites: where each waits.

        Returns an index into them; 0 is the oldest.
        """
        ...

    def ran(self, task: int, site: int, touched: Sequence[Touch], /) -> None:
        """A step of this task is over; it started from this site."""
        ...


class Strategy(Protocol):
    """Makes deciders for many runs and learns from them."""

    @property
    def name(self) -> str:
        """What it is asked for by."""
        ...

    @property
    def needs_footprints(self) -> bool:
        """Whether it does better when it is told what each step touched."""
        ...

    @property
    def is_exhausted(self) -> bool:
        """Whether nothing new is left. Only systematic strategies ever say so."""
        ...

    def decider(self) -> LookingDecider:
        """Answers the next run."""
        ...

    def learn(self, decider: LookingDecider, /, *, failed: bool) -> None:
        """The run that this decider answered is over."""
        ...


class Record:
    """What happened in one run, step by step."""

    __slots__ = ("_touching", "births", "steps")

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._touching: list[Step] | None = None
        self.births: list[int] = []
        """Per task, in order of creation: the place in `steps` of the step that made it."""

    def touching(self) -> list[Step]:
        """The steps that touched something. Only to be asked for when the run is over."""
        if self._touching is None:
            self._touching = [step for step in self.steps if step[2]]
        return self._touching


class Watched:
    """A decider with a record of its run, which is what strategies learn from."""

    __slots__ = ("inner", "made", "pick", "ran", "record")

    def __init__(self, inner: LookingDecider) -> None:
        self.inner = inner
        self.record = record = Record()
        steps, births = record.steps, record.births
        keep_step, keep_birth, inner_made, inner_ran = steps.append, births.append, inner.made, inner.ran

        def made(task: int, /) -> None:
            keep_birth(len(steps))
            inner_made(task)

        def ran(task: int, site: int, touched: Sequence[Touch], /) -> None:
            keep_step((task, site, tuple(touched)))
            inner_ran(task, site, touched)

        # Closures, not methods: they stand between the loop and every answer.
        self.made: Callable[[int], None] = made
        self.ran: Callable[[int, int, Sequence[Touch]], None] = ran
        self.pick: Callable[[Sequence[int], Sequence[int]], int] = inner.pick


def watched(inner: LookingDecider) -> LookingDecider:
    """The decider, with a record of its run kept beside it."""
    # Its methods are attributes, for speed; type checkers bind them where the interpreter does not.
    return cast(LookingDecider, Watched(inner))


class Table(Protocol):
    """What is learned from runs. Strategies that stand together in a portfolio share their tables."""

    def study(self, record: Record, /) -> None:
        """Learn from a run that is over."""
        ...


def study(decider: LookingDecider, *tables: Table) -> None:
    """Let the tables learn from the run that this decider answered."""
    assert isinstance(decider, Watched), decider
    for table in tables:
        table.study(decider.record)
