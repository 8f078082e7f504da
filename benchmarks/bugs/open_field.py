"""What `explore` finds where nobody has named the victim, and which alarms come from hitting a scenario's own helpers.

A failure of the broken release is the case's bug where the fixed release has none that says the same of the same tasks,
and it says what was found with the victim named, or hits nothing but the victim. A failure of the fixed release is
an alarm, put down to those whom it hits: the scenario's own body, its helpers, or the victim.
"""

from __future__ import annotations

import re
from collections import Counter

from benchmarks.bugs.corpus import Case
from benchmarks.bugs.results import ALL, VICTIM, Failure, Key, Result

_NUMBER = re.compile(r"\d+")


def words(message: str) -> str:
    """A message without its numbers: ports, counts and addresses are those of one run."""
    return _NUMBER.sub("#", message)


def whom(failure: Failure) -> str:
    """Whom it hits, of several the one whom it is least fair to hit: `order` where the order alone broke it."""
    names = {path.rsplit("/", 1)[-1].rsplit(".", 1)[-1] for path in failure.hit}
    if not names:
        return "order"
    if any("/" not in path and path.partition("#")[0].rsplit(".", 1)[-1] == "scenario" for path in failure.hit):
        return "body"
    return "victim" if names == {"victim"} else "helper"


def the_bug(named: Result | None, broken: Result, fixed: Result | None) -> Failure | None:
    """The first failure of the broken release that is the case's bug, None where there is none."""
    wanted = {words(each.message) for each in named.failures} if named else set[str]()
    on_fixed = {(words(each.message), each.hit) for each in fixed.failures} if fixed else set[object]()

    def is_it(failure: Failure) -> bool:
        is_new = (words(failure.message), failure.hit) not in on_fixed
        return is_new and (words(failure.message) in wanted or whom(failure) in ("victim", "order"))

    return min(filter(is_it, broken.failures), key=lambda each: each.first_run, default=None)


def table_of_all(cases: list[Case], known: dict[Key, Result]) -> str:
    """Markdown."""
    lines = [
        "| case | the bug, in run | hits | first failure of all, in run | others | alarms on the fixed side |",
        "|---|---:|---|---|---:|---|",
    ]
    for case in cases:
        broken, fixed = known.get((case.id, "broken", ALL)), known.get((case.id, "fixed", ALL))
        if broken is None:
            lines.append(f"| {case.id} | not run | | | | |")
            continue
        bug, first = the_bug(known.get((case.id, "broken", VICTIM)), broken, fixed), broken.first
        cells = [
            case.id,
            str(bug.first_run) if bug else f"**{broken.status if not broken.failures else 'no'}**",
            whom(bug) if bug else "",
            f"{first.first_run}, {whom(first)}" if first else "",
            str(len(broken.failures) - (bug is not None)),
            alarms(case, fixed),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def alarms(case: Case, fixed: Result | None) -> str:
    """How many there are on the fixed side, by whom they hit."""
    if case.fixed is None:
        return "unfixed"
    if fixed is None:
        return "not run"
    if fixed.status not in ("passed", "violated"):
        return fixed.status
    return ", ".join(f"{count} {who}" for who, count in sorted(Counter(map(whom, fixed.failures)).items())) or "0"
