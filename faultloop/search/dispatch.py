"""Units handed to a crew within the budget, and their results kept in a journal.

What a journal holds is not done again: its report is entered in the place where the unit is asked for, so that a search
that is resumed asks for the same units in the same order as the one that was interrupted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Executor
from contextlib import closing

from faultloop.search.crew import AHEAD, Alone, Crew, Done, Duty, Lost
from faultloop.search.elsewhere import Elsewhere
from faultloop.search.journal import Journal
from faultloop.search.ledger import Ledger
from faultloop.search.processes import Processes
from faultloop.search.runner import Brief, prepare
from faultloop.search.units import Commission, Report, Unit, key_of

Workers = Crew[Commission, Report]


def crew_for(brief: Brief, *, jobs: int, executor: Executor | None) -> Workers:
    """This process alone, several processes of ours, or whoever an executor has."""
    duty: Duty[Brief, Commission, Report] = Duty(prepare, brief)
    if executor is not None:
        return Elsewhere(duty, executor)
    return Alone(duty) if jobs == 1 else Processes(duty, jobs)


class Dispatch:
    """One exploration's way to its crew."""

    def __init__(self, crew: Workers, ledger: Ledger, journal: Journal[Report] | None) -> None:
        self._crew = crew
        self._ledger = ledger
        self._journal = journal
        self._ahead = 1 if isinstance(crew, Alone) else AHEAD

    def carry_out(self, units: Iterable[Unit]) -> Generator[tuple[Unit, Report]]:
        """Each unit and what it came to, in order. Ends early, and drops what is under way, once there is no need."""
        waiting: deque[tuple[Unit, Report | None]] = deque()
        ledger = self._ledger
        try:
            with closing(self._crew.carry_out(self._asked(units, waiting), ahead=self._ahead)) as results:
                for done in results:
                    yield from _known(waiting)
                    unit, _ = waiting.popleft()
                    yield unit, self._kept(unit, done)
                    if ledger.is_over():
                        ledger.is_cut = True
                        return
                yield from _known(waiting)
        except KeyboardInterrupt:
            for done in self._crew.left_over:
                ledger.enter(done.unit.unit, self._kept(done.unit.unit, done))
            raise
        finally:
            ledger.reserved = 0

    def _asked(self, units: Iterable[Unit], waiting: deque[tuple[Unit, Report | None]]) -> Iterator[Commission]:
        for unit in units:
            runs, seconds = self._ledger.allow(unit)
            known = self._journal.entries.get(key_of(unit)) if self._journal is not None else None
            waiting.append((unit, known))
            if known is None:
                yield Commission(unit, runs, seconds, self._ledger.stops_at_first)

    def _kept(self, unit: Unit, done: Done[Commission, Report]) -> Report:
        report = done.result
        if isinstance(report, Lost):
            return Report(skipped={report.reason: 1}, is_cut=True)
        if self._journal is not None and not report.is_cut:
            self._journal.write(key_of(unit), report)
        return report


def _known(waiting: deque[tuple[Unit, Report | None]]) -> Iterator[tuple[Unit, Report]]:
    """What stands at the front and came from the journal."""
    while waiting and (report := waiting[0][1]) is not None:
        yield waiting.popleft()[0], report
