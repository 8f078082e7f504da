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
        ask = decider.choose
        picks: list[tuple[int, int, int]] = []
        count = 0

        def choose(options: int, /) -> int:
            nonlocal count
            answer = ask(options)
            if answer:
                assert 0 < answer < options, (answer, options)
                picks.append((count, answer, options))
            count += 1
            return answer

        def keep(answer: int, options: int, /) -> None:
            nonlocal count
            assert 0 <= answer < options, (answer, options)
            if answer:
                picks.append((count, answer, options))
            count += 1

        # Closures, not methods: the first is asked at every turn of every exploration.
        self.choose: Callable[[int], int] = choose
        """The decider's answer, kept."""
        self.keep: Callable[[int, int], None] = keep
        """Records an answer that was given elsewhere."""
        self.recorded: Callable[[], Choices] = lambda: Choices(count=count, picks=tuple(picks))
        """What was asked and answered so far."""
