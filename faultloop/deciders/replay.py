"""Answers from a trace."""

from __future__ import annotations

from faultloop.model.trace import Choices


class Replay:
    """Gives a trace's answers again: its picks at their places, 0 everywhere else.

    `misfit` is the first pick whose question had another number of options than when it was recorded, as
    `(index, options recorded, options asked)`; from there on every answer is 0.
    """

    def __init__(self, choices: Choices) -> None:
        self._picks = {index: (answer, options) for index, answer, options in choices.picks}
        self._asked = 0
        self.misfit: tuple[int, int, int] | None = None

    def choose(self, options: int, /) -> int:
        """The recorded answer to this question."""
        index = self._asked
        self._asked = index + 1
        pick = self._picks.get(index)
        if pick is None or self.misfit is not None:
            return 0
        answer, recorded = pick
        if recorded != options:
            self.misfit = (index, recorded, options)
            return 0
        return answer
