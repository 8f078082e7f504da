"""How long runs are: steps per run and per task, the most seen of each.

Rule 1: counts only grow, so that tables of several processes merge by taking the larger of each.
"""

from __future__ import annotations

from faultloop.deciders.looking import Record

PATIENCE = 5
USUAL_GUESSED = 200


class Lengths:
    """Steps per run, per task, and per task with all that descend from it."""

    __slots__ = ("families", "steps", "tasks", "usual")

    def __init__(self) -> None:
        self.steps = 0
        """The most steps of one run."""
        self.usual = 0
        """About the steps of the median run: unlike the most, it does not follow the few that spin."""
        self.tasks: list[int] = [0]
        """Per task: the most steps it took in one run. Place 0 is nobody's."""
        self.families: list[int] = [0]
        """Per task: the most steps it and all its descendants took in one run."""

    def study(self, record: Record) -> None:
        """Learn from a run that is over."""
        steps, births = record.steps, record.births
        self.steps = max(self.steps, len(steps))
        self._lean_to(len(steps))
        own = [0] * (len(births) + 1)
        for task, _, _ in steps:
            own[task] += 1
        family = own.copy()
        for child in range(len(births), 0, -1):  # children are younger than their parents
            made_in = births[child - 1]
            if 0 <= made_in < len(steps) and steps[made_in][0] < child:
                family[steps[made_in][0]] += family[child]
        _raise(self.tasks, own)
        _raise(self.families, family)

    def _lean_to(self, steps: int) -> None:
        lean = 1 + self.usual // 10
        if not self.usual or abs(steps - self.usual) <= lean:
            self.usual = steps
        else:
            self.usual += lean if steps > self.usual else -lean

    @property
    def patience(self) -> int:
        """How many questions a strategy may answer unfairly before it must let everybody go on.

        Holding a task back for ever makes those that wait for it by asking again spin until the run is over its limit.
        """
        return PATIENCE * (self.usual or USUAL_GUESSED)

    def save(self) -> dict[str, list[int]]:
        """Plain data."""
        return {"steps": [self.steps], "tasks": self.tasks[1:], "families": self.families[1:]}

    def merge(self, saved: dict[str, list[int]]) -> None:
        """Take in what was saved, here or elsewhere."""
        self.steps = max(self.steps, *saved["steps"])
        _raise(self.tasks, [0, *saved["tasks"]])
        _raise(self.families, [0, *saved["families"]])


def _raise(most: list[int], seen: list[int]) -> None:
    most += [0] * (len(seen) - len(most))
    for place, count in enumerate(seen):
        if count > most[place]:
            most[place] = count
