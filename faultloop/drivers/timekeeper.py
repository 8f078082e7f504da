"""What stands for a run where chance, clocks and machines ask one: the loop of any driver."""

from __future__ import annotations

from typing import Protocol


class Timekeeper(Protocol):
    """Owns a run's virtual time."""

    @property
    def now(self) -> int:
        """Virtual nanoseconds since the run began."""
        ...

    @property
    def slept_inline(self) -> int:
        """Nanoseconds by which the thread's job that runs inline is ahead."""
        ...

    @property
    def nodes(self) -> object | None:
        """The run's machines, once it has any."""
        ...

    def pass_time(self, nanoseconds: int) -> None:
        """Let time pass within a step, as a call that blocks does; a thread's job blocks only itself."""
        ...
