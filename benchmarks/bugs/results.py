"""What running the cases came to: a line for each side of each case, kept in a file, and told as Markdown.

It runs nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.bugs.corpus import ROOT, Case, Side

RUNNING = ROOT / ".faultloop" / "bugs" / "results.jsonl"
"""Lines as they come; of two for the same, the later one counts."""
KEPT = ROOT / "benchmarks" / "results" / "bugs.jsonl"
"""What is committed, and what docs/found.md is made from."""
VICTIM, ALL = "victim", "*"
"""The two choices of tasks that there are tables for. `*` is what `explore` does when it is told none."""

Key = tuple[str, Side, str]


@dataclass(frozen=True, slots=True)
class Failure:
    """One way in which a scenario was broken.

    fault: as `--json` has it, «cancel scenario/victim @ fetch>acquire #1 woken»; several are joined by «; ».
    replays: whether the shrunk trace is the same run again, in a process of its own.
    """

    message: str
    fault: str
    deviations: int
    order: str
    first_run: int
    replays: bool

    @property
    def hit(self) -> frozenset[str]:
        """The paths of the tasks that a fault hit, none where the order alone broke it."""
        return frozenset(each.split(" @ ")[0].split(" ", 1)[1] for each in self.fault.split("; ") if " @ " in each)


@dataclass(frozen=True, slots=True)
class Result:
    """What one side of one case came to.

    tasks: the pattern.   status: as `explore` has it, or `unavailable`, `hung` or `error`, with a reason.
    seconds: of the whole command, shrinking included.   report: what the command printed, where that is kept.
    """

    id: str
    side: Side
    tasks: str
    release: str
    python: str
    made: str
    status: str
    reason: str = ""
    runs: int = 0
    seconds: float = 0.0
    failures: tuple[Failure, ...] = field(default=())
    report: str = ""

    @property
    def key(self) -> Key:
        """What it is the result of."""
        return (self.id, self.side, self.tasks)

    @property
    def first(self) -> Failure | None:
        """The failure that came first."""
        return min(self.failures, key=lambda each: each.first_run, default=None)


def read(path: Path) -> dict[Key, Result]:
    """What is in a file, none if there is no file."""
    if not path.exists():
        return {}
    results = [_result(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return {result.key: result for result in results}


def _result(said: dict[str, Any]) -> Result:
    return Result(**{**said, "failures": tuple(Failure(**each) for each in said["failures"])})


def add(path: Path, result: Result) -> None:
    """Add a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(line_of(result))


def write(path: Path, results: Iterable[Result]) -> None:
    """All of them, in the order of their keys."""
    path.write_text("".join(line_of(each) for each in sorted(results, key=lambda each: each.key)), encoding="utf-8")


def line_of(result: Result) -> str:
    """A result as JSON."""
    return json.dumps(asdict(result), ensure_ascii=False) + "\n"


def said(result: Result) -> str:
    """A result in a few words."""
    if (first := result.first) is not None:
        replay = "exact" if first.replays else "DIFFERS"
        how = f"{first.deviations} deviation(s), order {first.order}, replay {replay}"
        return f"found in run {first.first_run}, {result.seconds:.1f} s: {how}: {first.message}"
    return f"{result.status}, {result.runs} runs, {result.seconds:.1f} s {result.reason}".rstrip()


def table(cases: list[Case], known: dict[Key, Result]) -> str:
    """With the victim named: Markdown."""
    lines = [
        "| case | broken | found in run | seconds | deviations | order | replay | fixed | runs | alarms |",
        "|---|---|---:|---:|---:|---|---|---|---:|---|",
    ]
    for case in cases:
        broken, fixed = known.get((case.id, "broken", VICTIM)), known.get((case.id, "fixed", VICTIM))
        lines.append("| " + " | ".join([case.id, *_broken_cells(broken), *_fixed_cells(case, fixed)]) + " |")
    return "\n".join(lines)


def _broken_cells(result: Result | None) -> list[str]:
    if result is None:
        return ["", "not run", "", "", "", ""]
    seconds = f"{result.seconds:.1f}"
    if (first := result.first) is None:
        return [result.release, f"**{result.status}** {result.reason}".strip(), seconds, "", "", ""]
    replay = "exact" if first.replays else "**differs**"
    return [result.release, str(first.first_run), seconds, str(first.deviations), first.order, replay]


def _fixed_cells(case: Case, result: Result | None) -> list[str]:
    if case.fixed is None:
        return ["unfixed", "", ""]
    if result is None:
        return [str(case.fixed), "", "not run"]
    if (first := result.first) is not None:
        return [result.release, str(result.runs), f"**{first.message}**"]
    return [result.release, str(result.runs), "0" if result.status == "passed" else result.status]
