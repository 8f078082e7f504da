"""The calm decider: plain asyncio's order."""

from __future__ import annotations


class Calm:
    """Always answers 0."""

    def choose(self, options: int, /) -> int:
        """The oldest, whatever the options."""
        return 0
