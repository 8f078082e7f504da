"""The random walk: each ready task is as likely as any other, at every question.

It learns nothing, so it is the measure for all other strategies.
Guarantee: every schedule has a probability of at least the product of 1/ready over its questions; no useful bound.
Source: the folklore baseline; P. Thomson, A. Donaldson, A. Betts, «Concurrency Testing Using Controlled Schedulers: An
Empirical Study», ACM TOPC 2016, where it finds most of the bugs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from faultloop.deciders.looking import LookingDecider, Touch, watched


class Walk:
    """Answers uniformly at random."""

    __slots__ = ("_draw",)

    def __init__(self, random: Random) -> None:
        self._draw: Callable[[], float] = random.random

    def made(self, task: int, /) -> None:
        """Of no interest."""

    def pick(self, tasks: Sequence[int], sites: Sequence[int], /) -> int:
        """Any, each as likely."""
        return int(self._draw() * len(tasks))

    def ran(self, task: int, site: int, touched: Sequence[Touch], /) -> None:
        """Of no interest."""


class RandomWalk:
    """A fresh walk for every run."""

    name = "random"
    needs_footprints = False
    is_exhausted = False

    def __init__(self, random: Random) -> None:
        self._random = random

    def decider(self) -> LookingDecider:
        """Answers the next run."""
        return watched(Walk(self._random))

    def learn(self, decider: LookingDecider, /, *, failed: bool) -> None:
        """There is nothing to learn."""
