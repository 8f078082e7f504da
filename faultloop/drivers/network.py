"""What a driver asks of a network that stands in for the operating system's."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Protocol

FIRST_SIMULATED = 1 << 30
"""The first descriptor of the simulated network: far above what an operating system gives out."""


class Network(Protocol):
    """What a loop asks of a network."""

    @property
    def candidates(self) -> Collection[int]:
        """The descriptors that may be ready: while it is empty there is nothing to poll. Always the same object."""
        ...

    @property
    def is_patient(self) -> bool:
        """Whether real descriptors are looked at by `waited`, once nothing else can run, and not at every turn."""
        ...

    @property
    def handles(self) -> list[Any]:
        """The handles that wait for descriptors."""
        ...

    @property
    def is_open(self) -> bool:
        """Whether the program has descriptors of this network."""
        ...

    def enter(self) -> None:
        """The loop begins to run."""
        ...

    def leave(self) -> None:
        """The loop stops."""
        ...

    def poll(self) -> None:
        """Queue the handles of what is ready."""
        ...

    def watch(self, fd: int, *, reader: Any = None, writer: Any = None) -> None:
        """Queue a handle whenever the descriptor is ready for it."""
        ...

    def unwatch(self, fd: int, *, is_reader: bool) -> bool:
        """Queue the handle no more. Returns whether there was one."""
        ...

    def look_again(self) -> None:
        """Who did not listen listens again: whatever is watched may be ready."""
        ...

    def simulates(self, host: Any) -> bool:
        """Whether a name or address is this network's to answer for."""
        ...

    def resolve(self, host: Any, port: Any, family: int, type: int, proto: int, flags: int) -> list[Any]:
        """As socket.getaddrinfo."""
        ...

    def decide(self, sock: Any, address: Any) -> None:
        """A socket is about to be connected. Raises EscapeRefused where that would leave the run."""
        ...

    def asked(self) -> None:
        """The program has sent something over a real socket, or begins to wait for one."""
        ...

    def answered(self) -> None:
        """Something has come over a real descriptor."""
        ...

    def waited(self) -> bool:
        """Wait in real time for what may still come. Returns whether something did."""
        ...
