"""Every answer to every question, one run after the other, like the digits of a counter.

It knows nothing of tasks: whatever is asked, timers and callbacks too, is gone through. So where it comes to an end,
every run that the program has at that level was made.
Guarantee: each sequence of answers is given exactly once, the calm one first; `is_over` is a proof, for a program that
is deterministic.
"""

from __future__ import annotations

from collections.abc import Sequence

WAYS_MAX = 1_000_000


class Odometer:
    """Answers one run: as given, then 0."""

    def __init__(self, given: Sequence[int] = ()) -> None:
        self._given = tuple(given)
        self._asked: list[tuple[int, int]] = []

    def choose(self, options: int, /) -> int:
        """The next digit. A program that is not deterministic may offer fewer options than last time."""
        place = len(self._asked)
        answer = min(self._given[place], options - 1) if place < len(self._given) else 0
        self._asked.append((answer, options))
        return answer

    @property
    def ways(self) -> int:
        """How many sequences of answers there would be if each had the questions of this run; at most WAYS_MAX."""
        ways = 1
        for _, options in self._asked:
            ways = min(ways * options, WAYS_MAX)
        return ways

    def following(self) -> tuple[int, ...] | None:
        """What to give to the next run, now that this one is over; None when it was the last."""
        answers = list(self._asked)
        while answers:
            answer, options = answers.pop()
            if answer + 1 < options:
                return (*(each for each, _ in answers), answer + 1)
        return None
