"""The one-method protocol: the heart of faultloop.

A run is its answers. Whatever is open about the order of things is a question with `options` answers, numbered from 0;
a decider answers it with one of these numbers. Answer 0 is always the calm one: what plain asyncio would have done.
Recording a run is keeping its answers, replaying is giving them again, exploring is giving others, and shrinking is
turning them back to 0.
"""

from __future__ import annotations

from typing import Protocol


class Decider(Protocol):
    """Answers the order questions of one run, in the order in which they come up."""

    def choose(self, options: int, /) -> int:
        """Which of `options` goes next. options: at least 2.   Returns a number in [0, options); 0 is the oldest."""
        ...
