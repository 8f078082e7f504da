"""The loop alone, with its world: for whoever drives it by himself, as asyncio.Runner does."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from faultloop.drivers.asyncio.loop import Loop
from faultloop.drivers.ready import Choose
from faultloop.model.limits import Limits
from faultloop.model.trace import Order, Threads
from faultloop.model.world import World
from faultloop.world.entropy import around
from faultloop.world.modes import network_of


class WorldLoop(Loop):
    """A loop with network, chance and clocks of its own while it runs, and at no other time.

    Between two runs of it, and after the last, whatever ended it, `random`, `time` and `socket` are the machine's. The
    next run goes on where this one ended: with the loop's time, and with what is drawn next.
    """

    _within: AbstractContextManager[None]

    def __init__(
        self,
        world: World,
        *,
        order: Order,
        choose: Choose | None,
        limits: Limits | None,
        threads: Threads,
    ) -> None:
        super().__init__(order=order, choose=choose, limits=limits, threads=threads, network=network_of(world))
        self._within = around(world.entropy)(self)

    def run_forever(self) -> None:
        """Run until stop() is called. Raises Deadlock, Livelock or OverLimit where asyncio's own loop would hang."""
        with self._within:
            super().run_forever()

    def close(self) -> None:
        """Close the loop; its queue takes nothing more."""
        super().close()
        self._within = nullcontext()  # what stood there refers to the loop, which is to go as soon as it is let go
