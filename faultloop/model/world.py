"""What surrounds the program in a run, as a trace keeps it."""

from __future__ import annotations

from typing import Literal

import msgspec

Io = Literal["auto", "simulated", "loopback", "real"]
"""Which network a run has.

`auto`: the loopback of this machine is real, everything else is simulated.   `simulated`: loopback, too.
`loopback`: real sockets on this machine, and nothing else.   `real`: the same, and time waits a little for other
processes; best effort, for nobody can replay them.
"""


class World(msgspec.Struct, frozen=True, omit_defaults=True):
    """io: which network.   faults: the kinds of network fault that may be drawn, sorted."""

    io: Io = "auto"
    faults: tuple[str, ...] = ()
