"""What all runs of one exploration have in common, in a form that another process can be given.

A scenario crosses to another process by its name; where it has none, only a process forked from this one knows it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from faultloop.checks.standard import Checks
from faultloop.deciders.calm import Calm
from faultloop.deciders.protocol import Decider
from faultloop.deciders.replay import Replay
from faultloop.drivers.asyncio_run import Scenario, Settings
from faultloop.drivers.ready import Choose
from faultloop.errors import TargetError
from faultloop.model.entropy import Entropy
from faultloop.model.faults import Fault, PlannedFault
from faultloop.model.limits import Limits
from faultloop.model.trace import Choices, Order, Threads
from faultloop.search.run import Observed, run_with
from faultloop.search.sweep import Scope
from faultloop.search.target import load_target
from faultloop.world.entropy import around

_numbers = itertools.count(1)
_scenarios: dict[int, Scenario] = {}
"""The scenarios of this process's explorations. A forked process has them as well."""


@dataclass(frozen=True, slots=True)
class Program:
    """A scenario, what it runs under, and what a search is to hit.

    number: of the exploration in the process that began it.   target: the scenario's name, empty if it has none.
    root: the folder that the name is relative to.   kinds, tasks, where: as for Scope.   hold: for order `any`.
    """

    number: int
    target: str
    root: str
    kinds: tuple[Fault, ...]
    tasks: str
    where: str
    limits: Limits
    threads: Threads
    checks: Checks
    hold: int | None
    entropy: Entropy

    @property
    def scope(self) -> Scope:
        """What a sweep is to hit."""
        return Scope(self.kinds, self.tasks, self.where)

    def scenario(self) -> Scenario:
        """The scenario, imported if this process has not seen it yet. Raises TargetError."""
        known = _scenarios.get(self.number)
        if known is not None:
            return known
        if not self.target:
            raise TargetError(
                "this scenario has no name that another process could import: put it at the top of a file, or jobs=1"
            )
        loaded: Scenario = load_target(self.target, root=self.root)
        _scenarios[self.number] = loaded
        return loaded

    def settings(self, order: Order, choose: Choose | None = None) -> Settings:
        """What one fast run is made under."""
        return Settings(order, choose, self.hold, self.threads, self.limits, around(self.entropy))

    def traced(
        self,
        planned: tuple[PlannedFault, ...] = (),
        *,
        order: Order = "fifo",
        decider: Decider | None = None,
        collect: bool = False,
    ) -> Observed:
        """A run with everything recorded. decider: None is calm."""
        return run_with(
            self.scenario(),
            decider if decider is not None else Calm(),
            faults=planned,
            order=order,
            hold=self.hold,
            limits=self.limits,
            threads=self.threads,
            entropy=self.entropy,
            checks=self.checks,
            target=self.target,
            collect=collect,
        )


def answering(choices: Choices) -> Decider:
    """Gives recorded answers. A calm run asks nothing at all, so having it again must not either."""
    return Replay(choices) if choices.count else Calm()


def register(scenario: Scenario) -> int:
    """Make a scenario known to this process, and to those forked from it. Returns its number."""
    number = next(_numbers)
    _scenarios[number] = scenario
    return number


def forget(number: int) -> None:
    """The exploration is over."""
    _scenarios.pop(number, None)
