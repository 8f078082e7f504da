"""Orders drawn by a strategy that looks and learns, at level `any` without a bound.

Every failure is made again from its recorded answers, without the strategy, before anything is claimed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from faultloop.checks.standard import Checks, judge
from faultloop.deciders.looking import Strategy
from faultloop.deciders.replay import Replay
from faultloop.drivers.asyncio_guided import Guided, execute_guided
from faultloop.drivers.asyncio_run import Scenario, Settings
from faultloop.drivers.frames import ChainTable
from faultloop.model.limits import Limits
from faultloop.search.findings import Tally
from faultloop.search.run import Run, Threads, run_with


@dataclass(frozen=True, slots=True)
class Guidance:
    """What the runs of one guided search share."""

    scenario: Scenario
    limits: Limits
    threads: Threads
    checks: Checks
    target: str

    def again(self, found: Guided) -> Run:
        """The recorded run that gives a guided run's answers again."""
        return run_with(
            self.scenario,
            Replay(found.choices),
            order="any",
            hold=None,
            limits=self.limits,
            threads=self.threads,
            checks=self.checks,
            target=self.target,
        ).run


def search_guided(guidance: Guidance, strategy: Strategy, tally: Tally, may_run: Callable[[], bool]) -> None:
    """Let a strategy draw orders as long as it may run and has something new."""
    sites = ChainTable()
    settings = Settings("any", None, None, guidance.threads, guidance.limits)
    while may_run() and not strategy.is_exhausted:
        decider = strategy.decider()
        found = execute_guided(guidance.scenario, settings, decider, sites=sites, footprints=strategy.needs_footprints)
        tally.runs += 1
        tally.schedules.add(hash(found.schedule))
        failed = judge(found.facts, guidance.checks).status.is_failure
        strategy.learn(decider, failed=failed)
        if not failed:
            continue
        run = guidance.again(found)
        if run.status.is_failure:
            tally.note(run, (), at_run=tally.runs)
        else:
            tally.skip("a guided run failed and the recorded one did not: not deterministic?")
    if strategy.is_exhausted:
        tally.exhausted.append(f"every order that strategy {strategy.name} draws, at level any without a bound")
