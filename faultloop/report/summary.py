"""What an exploration tried and found, for people.

Rule 1: pure. Rule 2: it claims no more than was tried: an exploration that was cut short says so in its first line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from faultloop.model.text import counted
from faultloop.report.words import WIDTH, clean, wrap

LABEL_WIDTH = 13
NOT_TRIED_SHOWN_MAX = 3
HITS_SHOWN_MAX = 4


@dataclass(frozen=True, slots=True)
class Tried:
    """An exploration in numbers.

    status: passed, violated or inconclusive.   reason: why, or empty.   points: await points of the calm run.
    points_tried: those that a fault hit, by the kinds in `faults`.   drawn: kinds that were drawn along with orders.
    failures: groups of failures.   first_failure_run: from 1, or None.   schedules: different orders that were run.
    classes: happens-before classes among those watched.   attempts: runs that shrinking took.
    best_effort: why it may be otherwise next time, or nothing.
    exhausted: what was tried completely, and not_tried: what was left out; each in words.
    hits: tasks that a fault hit, each with the number of groups in which one did; nothing where a task was named.
    """

    scenario: str
    status: str
    reason: str
    runs: int
    points: int
    wall_seconds: float
    faults: tuple[str, ...]
    failures: int
    first_failure_run: int | None = None
    not_tried: tuple[str, ...] = ()
    exhausted: tuple[str, ...] = ()
    schedules: int = 1
    classes: int = 0
    attempts: int = 0
    best_effort: str = ""
    hits: tuple[tuple[str, int], ...] = ()
    points_tried: int = 0
    drawn: tuple[str, ...] = ()


def summary(tried: Tried, stories: Sequence[str] = (), *, width: int = WIDTH) -> str:
    """A line of what was tried, the verdict, then the story of each group of failures."""
    lines = [_verdict(tried), f"  tried      {_tried(tried)}"]
    if tried.reason:
        lines.append(f"  because    {clean(tried.reason, 400)}")
    if len(tried.hits) > 1:
        lines.append(f"  hit        {_hits(tried.hits)}")
    if tried.best_effort:
        lines.append(f"  holds      {tried.best_effort}")
    for number, complete in enumerate(tried.exhausted):
        lines.append(f"  {'' if number else 'complete':<10} {clean(complete, 200)}")
    for number, left_out in enumerate(tried.not_tried[:NOT_TRIED_SHOWN_MAX]):
        lines.append(f"  {'' if number else 'not tried':<10} {clean(left_out, 200)}")
    if len(tried.not_tried) > NOT_TRIED_SHOWN_MAX:
        lines.append(f"  {'':<10} … and {len(tried.not_tried) - NOT_TRIED_SHOWN_MAX} more")
    blocks = ["\n".join(part for line in lines for part in wrap(line, width, indent=LABEL_WIDTH))]
    for number, story in enumerate(stories, start=1):
        blocks.append(f"{f'── {number} of {len(stories)} ':─<{width}}\n{story}")
    return "\n\n".join(blocks)


def _verdict(tried: Tried) -> str:
    match tried.status:
        case "violated":
            found = "1 failure" if tried.failures == 1 else counted(tried.failures, "different failure")
            first = f" (the first in run {tried.first_failure_run})" if tried.first_failure_run else ""
            return f"{tried.scenario}: {found}{first}."
        case "passed":
            return f"{tried.scenario}: nothing found in what was tried."
        case _:
            return f"{tried.scenario}: cannot tell."


def _hits(hits: Sequence[tuple[str, int]]) -> str:
    """Whom to keep to: cancelling a helper of its own may break what a scenario expects of that helper, and no more."""
    shown = [f"{clean(name, 60)} in {count}" for name, count in hits[:HITS_SHOWN_MAX]]
    more = [counted(len(hits) - len(shown), "other task")] if len(hits) > len(shown) else []
    return f"{', '.join(shown + more)}; --tasks NAME hits that one alone"


def _tried(tried: Tried) -> str:
    runs = counted(tried.runs, "run")
    classes = f" in {counted(tried.classes, 'class')} or more" if tried.classes else ""
    orders = f", {counted(tried.schedules, 'order')}{classes}" if tried.schedules > 1 else ""
    shrinking = f"; {tried.attempts:,} more to shrink them" if tried.attempts else ""
    faults = ", ".join(tried.faults) or "no faults"
    drawn = f", {', '.join(tried.drawn)} drawn" if tried.drawn else ""
    is_all = not tried.faults or tried.points_tried == tried.points
    of = "" if is_all else f"{tried.points_tried:,} of "
    points = f"{of}{counted(tried.points, 'await point')}"
    return f"{runs}: {faults} at {points}{drawn}{orders}, {tried.wall_seconds:.2f} s{shrinking}"
