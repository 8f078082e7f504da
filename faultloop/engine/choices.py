"""Keeping the answers of a run."""

from __future__ import annotations

from collections.abc import Callable

from faultloop.deciders.protocol import Decider
from faultloop.model.trace import Choices


class Answering:
    """A function that answers, as a decider."""

    def __init__(self, choose: Callable[[int], int]) -> None:
        self.choose = choose


class RecordedChoices:
    """Puts each order question to a decider and keeps the answers that are not 0."""

    def __init__(self, decider: Decider) -> None:
        self._choose = decider.choose
        self._picks: list[tuple[int, int, int]] = []
        self._count = 0

    def choose(self, options: int, /) -> int:
        """The decider's answer, kept."""
        answer = self._choose(options)
        self.keep(answer, options)
        return answer

    def keep(self, answer: int, options: int, /) -> None:
        """Record an answer that was given elsewhere."""
        assert 0 <= answer < options, (answer, options)
        if answer:
            self._picks.append((self._count, answer, options))
        self._count += 1

    def recorded(self) -> Choices:
        """What was asked and answered so far."""
        return Choices(count=self._count, picks=tuple(self._picks))
