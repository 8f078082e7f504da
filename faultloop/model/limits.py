"""What a run may spend. All limits are on by default: nothing hangs."""

from __future__ import annotations

import msgspec


class Limits(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What one run may spend before it ends as `over limit` or `livelocked`.

    steps: callbacks and task steps.   virtual_seconds: how far the virtual clock may go.
    wall_seconds: real time; checked between steps everywhere, and inside a step on the main thread.
    spin_turns: turns at one instant after which time goes on although something is always ready.
    livelock_turns: turns at one instant, with no timer left, after which the run is livelocked.
    teardown_steps: what ending the leftover tasks may cost.   events: how many events a trace keeps.
    """

    steps: int = 1_000_000
    virtual_seconds: float = 7 * 86_400.0
    wall_seconds: float = 60.0
    spin_turns: int = 1_000
    livelock_turns: int = 20_000
    teardown_steps: int = 3_000
    events: int = 100_000

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if getattr(self, name) <= 0:
                raise ValueError(f"limit {name} must be more than 0, got {getattr(self, name)}")
