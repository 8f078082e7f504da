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
    """limits, checks: None for the usual ones.   threads: as for Loop.   hold: for order `any`, None for no bound."""

    limits: Limits
    threads: Threads
    checks: Checks
    hold: int | None

    @classmethod
    def of(
        cls,
        *,
        limits: Limits | None = None,
        threads: Threads = "inline",
        checks: Checks | None = None,
        hold: int | None = 2,
    ) -> Conditions:
        """Conditions from what a user gives; None is the usual."""
        return cls(
            limits if limits is not None else Limits(), threads, checks if checks is not None else Checks(), hold
        )

    @classmethod
    def of_trace(cls, trace: Trace, checks: Checks | None = None) -> Conditions:
        """Those that a trace was recorded under. checks: instead of the recorded ones."""
        return cls(trace.limits, trace.threads, checks if checks is not None else read_checks(trace.checks), trace.hold)

    def settings(self, order: Order, choose: Choose | None = None) -> Settings:
        """What the driver has to know."""
        return Settings(order, choose, self.hold, self.threads, self.limits)
