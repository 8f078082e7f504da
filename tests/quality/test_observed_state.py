"""A race of one task with many on plain attributes: what reads-from feedback needs when it sees them and when not."""

import asyncio
from random import Random
from statistics import median

from faultloop.deciders.strategies import STRATEGIES
from faultloop.drivers.asyncio.guided import execute_guided
from faultloop.drivers.frames import ChainTable
from faultloop.drivers.observed.observing import observed
from faultloop.drivers.settings import Settings
from faultloop.model.limits import Limits

RUNS = 400
SEEDS = range(7)
CASHIERS = 40


class Till:
    """Each cashier announces a sale and books one a step later; whoever closes must not come between the first two."""

    def __init__(self) -> None:
        self.announced = 0
        self.booked = 0

    async def sell(self) -> None:
        await asyncio.sleep(0)
        self.announced = 1
        await asyncio.sleep(0)
        self.booked = 1

    async def close(self) -> None:
        """Look twice, with a step between: fails if the first sale of all was announced and none was booked yet."""
        await asyncio.sleep(0)
        announced = self.announced
        await asyncio.sleep(0)
        if announced and not self.booked:
            raise AssertionError("closed with a sale announced and none booked")


async def busy_day() -> None:
    till = Till()
    await asyncio.gather(*(till.sell() for _ in range(CASHIERS)), till.close())


def runs_needed(seed: int) -> int:
    """How many runs until the first failure; RUNS if there is none."""
    strategy = STRATEGIES["rff"](Random(seed))
    sites = ChainTable()
    for number in range(1, RUNS + 1):
        decider = strategy.decider()
        settings = Settings("any", None, None, limits=Limits(steps=4_000))
        guided = execute_guided(busy_day, settings, decider, sites=sites, footprints=True)
        is_failure = guided.facts.error is not None
        strategy.learn(decider, failed=is_failure)
        if is_failure:
            return number
    return RUNS


def test_feedback_from_observed_attributes_needs_a_fraction_of_the_runs():
    """Goal: what observing is for. Method: the same strategy and seeds, with the class observed and without."""
    blind = [runs_needed(seed) for seed in SEEDS]
    with observed([__name__]):
        seeing = [runs_needed(seed) for seed in SEEDS]
        again = [runs_needed(seed) for seed in SEEDS]
    assert seeing == again
    assert median(seeing) <= 10
    assert sum(blind) > 3 * sum(seeing), (blind, seeing)
