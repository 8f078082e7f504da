"""What runs are made under, apart from who answers and what is done to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from faultloop.checks.standard import Checks, read_checks
from faultloop.drivers.asyncio_run import Settings
from faultloop.drivers.ready import Choose
from faultloop.model.limits import Limits
from faultloop.model.trace import Order, Trace

Threads = Literal["inline", "real"]


@dataclass(frozen=True, slots=True)
class Conditions:
    """limits, checks: None for the usual ones.   threads: as for Loop.   hold: for order `any`, None for no bound.

    driver: the name of the one that makes the runs.
    """

    limits: Limits
    threads: Threads
    checks: Checks
    hold: int | None
    driver: str = "asyncio"

    @classmethod
    def of(
        cls,
        *,
        limits: Limits | None = None,
        threads: Threads = "inline",
        checks: Checks | None = None,
        hold: int | None = 2,
        driver: str = "asyncio",
    ) -> Conditions:
        """Conditions from what a user gives; None is the usual."""
        return cls(
            limits if limits is not None else Limits(),
            threads,
            checks if checks is not None else Checks(),
            hold,
            driver,
        )

    @classmethod
    def of_trace(cls, trace: Trace, checks: Checks | None = None) -> Conditions:
        """Those that a trace was recorded under. checks: instead of the recorded ones."""
        weights = checks if checks is not None else read_checks(trace.checks)
        return cls(trace.limits, trace.threads, weights, trace.hold, trace.env.driver)

    def settings(self, order: Order, choose: Choose | None = None) -> Settings:
        """What the driver has to know."""
        return Settings(order, choose, self.hold, self.threads, self.limits)
