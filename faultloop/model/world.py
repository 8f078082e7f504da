"""What surrounds the program in a run, as a trace keeps it."""

from __future__ import annotations

from typing import Literal

import msgspec

from faultloop.model.entropy import Entropy

Io = Literal["auto", "simulated", "loopback", "real"]
"""Which network a run has.

`auto`: the loopback of this machine is real, everything else is simulated.   `simulated`: loopback, too.
`loopback`: real sockets on this machine, and nothing else.   `real`: the same, and time waits a little for other
processes; best effort, for nobody can replay them.
"""


class World(msgspec.Struct, frozen=True, omit_defaults=True):
    """io: which network.   faults: the kinds of network fault that may be drawn, sorted.   entropy: chance and time."""

    io: Io = "auto"
    faults: tuple[str, ...] = ()
    entropy: Entropy = Entropy()

    @property
    def best_effort(self) -> str:
        """Why a run in these surroundings may be another one next time, in a sentence; nothing where it may not."""
        if self.io != "real":
            return ""
        return 'best effort: with io="real" what other processes answer, and when, is not recorded; a replay may differ'
