"""Where a run draws chance and reads time: from its seed and from its loop.

One source for each run, found by the thread that asks: a clock read in any other thread is the machine's.
"""

from __future__ import annotations

import sys
from _thread import get_ident
from datetime import UTC, datetime
from random import Random
from types import FrameType
from typing import TYPE_CHECKING

from faultloop.drivers.boundary import declare
from faultloop.drivers.nodes import LIFE
from faultloop.model.entropy import Entropy
from faultloop.model.faults import NANOSECONDS

if TYPE_CHECKING:
    from faultloop.drivers.timekeeper import Timekeeper

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
"""What wall clocks say when a run begins."""
EPOCH_NS = int(EPOCH.timestamp()) * NANOSECONDS
SPARED = (
    "_pytest",
    "asyncio",
    "concurrent",
    "coverage",
    "faultloop",
    "multiprocessing",
    "pluggy",
    "queue",
    "selectors",
    "subprocess",
    "tempfile",
    "threading",
)
"""Whose calls always go to the machine: they wait for real threads and processes, or measure what is around a run."""
SERVED: tuple[str, ...] = ("faultloop.drivers.jobs",)
"""Below the spared ones, and served all the same: what it calls is the program's."""
PLUMBING = frozenset(("datetime", "os", "random", "secrets", "time", "uuid"))
"""Modules that are asked by a program and ask another of them: whom they serve is further up."""
declare("names of temporary files", "through", "the machine's: runs must not meet at one name")
declare("files, folders, os.environ", "through", "as they are, and as a run leaves them")
READS_AT_INSTANT = 1_000
READ_NS = 100_000
"""A program that watches a clock until it moves would watch for ever: after so many reads at one instant of virtual
time, each further read takes this long."""


class Source:
    """The chance and the time of one run."""

    __slots__ = (
        "_at",
        "_bits",
        "_drawn",
        "_random",
        "_reads",
        "_spared",
        "_verdicts",
        "clock_sequence",
        "loop",
        "seed",
    )

    def __init__(self, loop: Timekeeper, entropy: Entropy) -> None:
        self.loop = loop
        self.seed = entropy.seed
        self.clock_sequence = 0
        """The last instant that a uuid1 was made of, in its own units."""
        self._spared = entropy.spared
        self._verdicts = _verdicts if not entropy.spared else dict.fromkeys(SERVED, True)
        self._random: Random | None = None
        self._bits: Random | None = None
        self._drawn = 0
        self._at = -1
        self._reads = 0

    @property
    def random(self) -> Random:
        """What the functions of the module `random` draw from."""
        if self._random is None:
            self._random = Random(self.seed << 1)
        return self._random

    @property
    def bits(self) -> Random:
        """What stands for the entropy of the operating system."""
        if self._bits is None:
            self._bits = Random(self.seed << 1 | 1)
        return self._bits

    def serves(self, caller: FrameType | None) -> bool:
        """Whether the code that asks is one whose answers come from the run."""
        name = ""
        while caller is not None:
            name = caller.f_globals.get("__name__") or ""
            if name not in PLUMBING:
                break
            caller = caller.f_back
        verdict = self._verdicts.get(name)
        if verdict is None:
            verdict = self._verdicts[name] = not is_below(name, (*SPARED, *self._spared))
        return verdict

    def monotonic(self) -> int:
        """Nanoseconds since the run began. Asking often enough makes time pass."""
        loop = self.loop
        if loop.now != self._at:
            self._at, self._reads = loop.now, 0
        self._reads += 1
        if self._reads > READS_AT_INSTANT:
            loop.pass_time(READ_NS)
            self._at = loop.now
        return loop.now + loop.slept_inline

    def wall(self) -> int:
        """Nanoseconds since 1970, on the clock of the node that asks."""
        instant = EPOCH_NS + self.monotonic()
        if self.loop.nodes is not None and (life := LIFE.get()) is not None:
            instant += life.node.wall_ahead
        return instant


_verdicts: dict[str, bool] = dict.fromkeys(SERVED, True)
"""Which modules are served where nothing but SPARED is spared."""
sources: dict[int, Source] = {}
"""The source of the run that each thread is in."""


def source_here() -> Source | None:
    """The source that the caller of our caller is to be served from, or None: outside a run, or spared."""
    if not sources:
        return None
    source = sources.get(get_ident())
    return source if source is not None and source.serves(sys._getframe(2)) else None


def is_below(module: str, tops: tuple[str, ...]) -> bool:
    """Whether a module is one of these, or lies below one."""
    return any(module == top or module.startswith(f"{top}.") for top in tops)
