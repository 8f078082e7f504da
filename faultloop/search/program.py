"""What all runs of one exploration have in common, in a form that another process can be given.

A scenario crosses to another process by its name; where it has none, only a process forked from this one knows it.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from faultloop.deciders.calm import Calm
from faultloop.deciders.protocol import Decider
from faultloop.deciders.replay import Replay
from faultloop.drivers.settings import Scenario
from faultloop.errors import CrewError, TargetError
from faultloop.model.faults import PlannedFault
from faultloop.model.trace import Choices, Order
from faultloop.search.conditions import Conditions
from faultloop.search.loaded import own_sources
from faultloop.search.place import find_root
from faultloop.search.run import Observed, describe_target, run_with
from faultloop.search.sweep import Scope
from faultloop.search.target import load_target

_process = os.urandom(8).hex()
_numbers = itertools.count(1)
_scenarios: dict[str, Scenario] = {}
"""The scenarios of this process's explorations. A forked process has them as well."""
_calm: dict[str, Observed] = {}
"""Their calm runs, likewise."""
_imported: dict[tuple[str, str], str] = {}
"""Of the files that programs of other processes lie in, by root and name: what tells the text that was imported."""
OTHER_SOURCE = "FL408"


@dataclass(frozen=True, slots=True)
class Program:
    """A scenario, what it runs under, and what a search is to hit.

    key: of the exploration, and of no other in any process: a cluster's workers serve many.   target: the scenario's
    name, empty if it has none.
    root: the folder that the name is relative to.   observe: modules whose state reports what touches it.
    """

    key: str
    target: str
    root: str
    under: Conditions
    scope: Scope
    observe: tuple[str, ...] = ()

    def scenario(self) -> Scenario:
        """The scenario, imported if this process has not seen it yet. Raises TargetError."""
        known = _scenarios.get(self.key)
        if known is not None:
            return known
        if not self.target:
            raise TargetError(
                "this scenario has no name that another process could import: put it at the top of a file, or jobs=1"
            )
        loaded: Scenario = load_target(self.target, root=self.root)
        _scenarios[self.key] = loaded
        return loaded

    def calm(self) -> Observed:
        """The calm run, with every wait kept; made if this process has not made it yet."""
        known = _calm.get(self.key)
        if known is None:
            known = _calm[self.key] = self.traced(collect=True)
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
    key = f"{_process}-{os.getpid()}-{next(_numbers)}"
    _scenarios[key] = scenario
    root = str(find_root(os.getcwd()))
    named = target or describe_target(scenario)
    return Program(key, named, root, under, scope if scope is not None else Scope(()), tuple(observe))


def require_same_sources(program: Program, sources: Mapping[str, str]) -> None:
    """Have this process import the program and run it, unless it knows it from the process that it was forked from.

    sources: of the process that asks. Raises CrewError (FL408) if another text of one of them was imported here, for
    this exploration or one before: a process imports a module once. Raises TargetError.
    """
    if program.key in _scenarios:
        return
    program.calm()  # which may import more than the scenario's module does
    root, here = program.root, own_sources(program.root)
    # Where the project lies elsewhere nothing has the same name, and nothing could be told.
    files = [file for file in sources if file in here] or list(sources)
    for file in files:
        if _imported.setdefault((root, file), here.get(file, "")) != sources[file]:
            raise CrewError(
                f"a worker has imported another {file} than there is now: it was changed since, or the worker is on a "
                "machine with another copy. Bring them up to date, and start the workers again",
                code=OTHER_SOURCE,
            )


def forget(key: str) -> None:
    """The exploration is over."""
    _scenarios.pop(key, None)
    _calm.pop(key, None)
