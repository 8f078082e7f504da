"""What all runs of one exploration have in common, in a form that another process can be given.

A scenario crosses to another process by its name; where it has none, only a process forked from this one knows it.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass

from faultloop.deciders.calm import Calm
from faultloop.deciders.protocol import Decider
from faultloop.deciders.replay import Replay
from faultloop.drivers.settings import Scenario
from faultloop.errors import TargetError
from faultloop.model.faults import PlannedFault
from faultloop.model.trace import Choices, Order
from faultloop.search.conditions import Conditions
from faultloop.search.place import find_root
from faultloop.search.run import Observed, describe_target, run_with
from faultloop.search.sweep import Scope
from faultloop.search.target import load_target

_numbers = itertools.count(1)
_scenarios: dict[int, Scenario] = {}
"""The scenarios of this process's explorations. A forked process has them as well."""
_calm: dict[int, Observed] = {}
"""Their calm runs, likewise."""


@dataclass(frozen=True, slots=True)
class Program:
    """A scenario, what it runs under, and what a search is to hit.

    number: of the exploration in the process that began it.   target: the scenario's name, empty if it has none.
    root: the folder that the name is relative to.   observe: modules whose state reports what touches it.
    """

    number: int
    target: str
    root: str
    under: Conditions
    scope: Scope
    observe: tuple[str, ...] = ()

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

    def calm(self) -> Observed:
        """The calm run, with every wait kept; made if this process has not made it yet."""
        known = _calm.get(self.number)
        if known is None:
            known = _calm[self.number] = self.traced(collect=True)
        return known

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
            self.under,
            faults=planned,
            order=order,
            target=self.target,
            collect=collect,
        )


def answering(choices: Choices) -> Decider:
    """Gives recorded answers. A calm run asks nothing at all, so having it again must not either."""
    return Replay(choices) if choices.count else Calm()


def make_program(
    scenario: Scenario,
    under: Conditions,
    *,
    target: str = "",
    scope: Scope | None = None,
    observe: Sequence[str] = (),
) -> Program:
    """Make a scenario known to this process and to those forked from it, until `forget`."""
    number = next(_numbers)
    _scenarios[number] = scenario
    root = str(find_root(os.getcwd()))
    named = target or describe_target(scenario)
    return Program(number, named, root, under, scope if scope is not None else Scope(()), tuple(observe))


def forget(number: int) -> None:
    """The exploration is over."""
    _scenarios.pop(number, None)
    _calm.pop(number, None)
