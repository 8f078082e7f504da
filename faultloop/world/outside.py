"""Real sockets to servers in other processes of this machine. Best effort: nobody can replay those.

Virtual time would jump over the moment in which a server makes its answer. So it stands still for a little real time
after the program has sent something, connected, or begun to wait; and a little less after something came.

Descriptors are looked at once nothing else can run, and an answer that begins is given a moment to come whole. So which
step an answer falls into depends on the machine as little as can be.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from faultloop.drivers.asyncio.boundary import refuse_foreign_host
from faultloop.drivers.boundary import declare

if TYPE_CHECKING:
    from faultloop.drivers.asyncio.loop import Loop

declare("servers in other processes of this machine", "through", "best effort: time waits for them", 'io="real"')
ANSWER_SECONDS = 1.0
"""How long an answer may take, in real time."""
MORE_SECONDS = 0.1
"""How long what follows an answer may take."""
WHOLE_SECONDS = 0.002
"""How long the rest of an answer may take that has begun to come."""


class Outside:
    """The network that is not simulated: what a loop asks of a network, and a real wait when it is idle."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._until = 0.0
        self.candidates: tuple[int, ...] = ()
        self.handles: list[Any] = []
        self.is_open = False
        self.is_patient = True

    def enter(self) -> None:
        """The loop begins to run: nothing changes for the program."""

    def leave(self) -> None:
        """The loop stops."""

    def poll(self) -> None:
        """Nothing is simulated."""

    def watch(self, fd: int, *, reader: Any = None, writer: Any = None) -> None:
        """Nothing is simulated."""
        raise ValueError(f"{fd} is no open descriptor of a simulated network")

    def unwatch(self, fd: int, *, is_reader: bool) -> bool:
        """Nothing is simulated."""
        return False

    def look_again(self) -> None:
        """Nothing is simulated."""

    def simulates(self, host: Any) -> bool:
        """Nothing is simulated."""
        return False

    def resolve(self, host: Any, port: Any, family: int, type: int, proto: int, flags: int) -> list[Any]:
        """Nothing is simulated."""
        raise ValueError("there is no simulated network to resolve a name")

    def decide(self, sock: Any, address: Any) -> None:
        """Connect within this machine. Raises EscapeRefused (FL301) for any other."""
        refuse_foreign_host(address[0])

    def asked(self) -> None:
        """The program has sent something, connected, or begun to wait: an answer may come."""
        self._until = time.perf_counter() + ANSWER_SECONDS

    def waited(self) -> bool:
        """Take what has come, or wait for an answer that may still come. Returns whether there was any."""
        loop = self._loop
        while True:
            left = max(self._until - time.perf_counter(), 0.0)
            if loop.has_input(left):
                time.sleep(WHOLE_SECONDS)
                if loop.poll():
                    return True
            if not left:
                return False

    def answered(self) -> None:
        """Something has come: what follows it may be on its way."""
        self._until = time.perf_counter() + MORE_SECONDS
