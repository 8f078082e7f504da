"""What runs are made under, apart from who answers and what is done to them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

import msgspec

from faultloop.checks.standard import Checks, read_checks
from faultloop.drivers.ready import Choose
from faultloop.drivers.settings import Settings
from faultloop.errors import UsageError
from faultloop.model.entropy import Entropy
from faultloop.model.limits import Limits
from faultloop.model.trace import Order, Threads, Trace
from faultloop.model.world import Io, World
from faultloop.world.entropy import around
from faultloop.world.faults import network_faults_in
from faultloop.world.modes import network_of, world_of

AnyEntropy = Entropy | Literal["seeded", "real"]
"""Where chance and clocks come from, as a user says it."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What is the same for all runs of one exploration.

    threads: as for Loop.   hold: for order `any`, None for no bound.   world: its network, chance and time.
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
        entropy: AnyEntropy = "seeded",
        seed: int | None = None,
        faults: Iterable[object] = (),
        driver: str = "asyncio",
    ) -> Conditions:
        """Conditions from what a user gives; None is the usual. faults: of these, those of the network are the world's.

        seed: of all that is drawn, chance too unless `entropy` has its own.
        Raises UsageError: FL516 for an unknown io, FL530 for an unknown entropy, FL514 for an unknown network fault,
        FL523 for an unknown mode of threads, a seed that is no number, and limits or checks that are none;
        FL508 for faults that are no sequence.
        """
        require_sequence(faults)
        if threads not in get_args(Threads):
            raise UsageError(
                f'there are no threads "{threads}"; there are {", ".join(get_args(Threads))}', code="FL523"
            )
        if seed is not None and (type(seed) is not int or seed < 0):
            raise UsageError(f"a seed is a whole number from 0, not {seed!r}", code="FL523")
        _require("limits", limits, Limits)
        _require("checks", checks, Checks)
        usual = limits if limits is not None else Limits()
        judged = checks if checks is not None else Checks()
        world = msgspec.structs.replace(world_of(io, network_faults_in(faults)), entropy=read_entropy(entropy, seed))
        return cls(usual, threads, judged, hold, world, driver)

    @classmethod
    def of_trace(cls, trace: Trace, checks: Checks | None = None) -> Conditions:
        """Those that a trace was recorded under. checks: instead of the recorded ones."""
        judged = checks if checks is not None else read_checks(trace.checks)
        return cls(trace.limits, trace.threads, judged, trace.hold, trace.world, trace.env.driver)

    def settings(self, order: Order, choose: Choose | None = None) -> Settings:
        """What the driver has to know."""
        is_bare = self.driver == "trio" and self.world.io == "real"  # trio needs nothing of ours to reach the outside
        network = None if is_bare else network_of(self.world)
        within = around(self.world.entropy)
        return Settings(order, choose, self.hold, self.threads, self.limits, network, within)


def _require(name: str, value: object, kind: type) -> None:
    if value is not None and not isinstance(value, kind):
        raise UsageError(f"{name} are faultloop.{kind.__name__}(...), not {value!r}", code="FL523")


def require_sequence(faults: object) -> None:
    """Raise UsageError (FL508) for faults that are not several, as one text is not."""
    if isinstance(faults, str):
        raise UsageError(f'faults is a sequence: faults=["{faults}"]', code="FL508")
    if not isinstance(faults, Iterable):
        raise UsageError(f"faults is a sequence, not {faults!r}", code="FL508")


def read_entropy(entropy: AnyEntropy, seed: int | None) -> Entropy:
    """What a run draws from. seed: of whatever else is drawn; None is calm."""
    if isinstance(entropy, Entropy):
        if isinstance(entropy.spared, str):
            raise UsageError(f'spared is a sequence of modules: spared=("{entropy.spared}",)', code="FL530")
        return entropy
    if entropy not in ("seeded", "real"):
        raise UsageError(f'entropy is "seeded", "real" or an Entropy, not "{entropy}"', code="FL530")
    return Entropy(entropy, (seed or 0) if entropy == "seeded" else 0)
