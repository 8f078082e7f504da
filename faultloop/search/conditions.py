"""What runs are made under, apart from who answers and what is done to them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from faultloop.checks.standard import Checks, read_checks
from faultloop.drivers.asyncio_run import Settings
from faultloop.drivers.ready import Choose
from faultloop.model.limits import Limits
from faultloop.model.trace import Order, Trace
from faultloop.model.world import Io, World
from faultloop.world.faults import network_faults_in
from faultloop.world.modes import network_of, world_of

Threads = Literal["inline", "real"]


@dataclass(frozen=True, slots=True)
class Conditions:
    """What is the same for all runs of one exploration.

    threads: as for Loop.   hold: for order `any`, None for no bound.   world: which network there is.
    driver: the name of the one that makes the runs.
    """

    limits: Limits
    threads: Threads
    checks: Checks
    hold: int | None
    world: World
    driver: str = "asyncio"

    @classmethod
    def of(
        cls,
        *,
        limits: Limits | None = None,
        threads: Threads = "inline",
        checks: Checks | None = None,
        hold: int | None = 2,
        io: Io = "auto",
        faults: Iterable[object] = (),
        driver: str = "asyncio",
    ) -> Conditions:
        """Conditions from what a user gives; None is the usual. faults: of these, those of the network are the world's.

        Raises UsageError: FL516 for an unknown io, FL514 for an unknown network fault.
        """
        usual = limits if limits is not None else Limits()
        judged = checks if checks is not None else Checks()
        return cls(usual, threads, judged, hold, world_of(io, network_faults_in(faults)), driver)

    @classmethod
    def of_trace(cls, trace: Trace, checks: Checks | None = None) -> Conditions:
        """Those that a trace was recorded under. checks: instead of the recorded ones."""
        judged = checks if checks is not None else read_checks(trace.checks)
        return cls(trace.limits, trace.threads, judged, trace.hold, trace.world, trace.env.driver)

    def settings(self, order: Order, choose: Choose | None = None) -> Settings:
        """What the driver has to know."""
        return Settings(order, choose, self.hold, self.threads, self.limits, network_of(self.world))
