"""The real bugs of benchmarks/bugs under other tools, as far as these can run a case at all.

    python benchmarks/peers/bugs.py [ID ...] [--tools simloop,…] [--fresh] [--table] [--write]

The scenarios are those that faultloop gets, unchanged. Each tool has up to RUNS runs or SECONDS, up to its first
failure, on the broken release and, where it found something there, on the fixed one. simloop and simloom need Python
3.12, so cases of 3.11 are moved to it for them; `faultloop` is run there as well where that can be had, to see that
the bug is to be had too.
"""

from __future__ import annotations

import argparse
import functools
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.bugs.corpus import ROOT, Case, Release, Side, Unavailable, all_cases, environment
from benchmarks.bugs.run import faultloop
from benchmarks.peers.place import surroundings, versions

TOOLS = ("simloop", "simloop+cancel", "simloom", "simloom+cancel", "cancellens", "faultloop")
RUNS, SECONDS, ONCE = 300, 15, 5
REASON_LENGTH = 120
RUNS_FIXED = 100
"""On a fixed release, enough to see whether the same alarm comes there."""
GIVE_UP_SECONDS = 3 * SECONDS
NEEDS = (3, 12)
"""The Python of simloop and simloom."""
RUNNING = ROOT / ".faultloop" / "bugs" / "peers.jsonl"
KEPT = ROOT / "benchmarks" / "results" / "peers.jsonl"


@dataclass(frozen=True, slots=True)
class Hunt:
    """What a tool came to on one side of a case. found: the run that failed, None where none did.

    status: `searched`; `hung`, with the run as `found`; or `not applicable`, with the reason as the message.
    """

    id: str
    side: Side
    tool: str
    python: str
    status: str
    runs: int = 0
    found: int | None = None
    seconds: float = 0.0
    message: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is the result of."""
        return (self.id, self.side, self.tool)


def release_for(case: Case, side: Side, tool: str) -> Release:
    """The release, on a Python that the tool runs on. Raises Unavailable."""
    release = case.release(side)
    assert release is not None, case
    needs_newer = tuple(map(int, release.python.split(".")[:2])) < NEEDS
    if tool == "cancellens" or not needs_newer:
        return release
    if not release.pins:
        raise Unavailable(f"needs Python 3.12, and the case is one of CPython {release.python}")
    return Release("3.12.1", release.pins)


@functools.cache
def _built(release: Release) -> Path | str:
    try:
        return environment(release)
    except Unavailable as error:
        return str(error)


def home(release: Release) -> Path:
    """The Python of a release's environment; what cannot be built is not tried again. Raises Unavailable."""
    built = _built(release)
    if isinstance(built, str):
        raise Unavailable(built)
    return built


def why_not(case: Case, tool: str) -> str:
    """Why a tool cannot run a case, as far as that is known beforehand."""
    if case.backend == "trio" and tool != "faultloop":
        return "it runs on asyncio only"
    source = case.scenario.read_text(encoding="utf-8")
    if tool == "cancellens" and 'name="victim"' not in source:
        return "it cancels the coroutine that it runs itself, and here a task group or a server starts the victim"
    return ""


def hunt(case: Case, side: Side, tool: str) -> Hunt:
    """Search one side of a case with a tool."""
    if reason := why_not(case, tool):
        return Hunt(case.id, side, tool, "", "not applicable", message=reason)
    own = case.release(side)
    assert own is not None, case
    try:
        release, variables = release_for(case, side, tool), surroundings()
        python = home(release)
    except Unavailable as error:
        if tool != "faultloop":
            return Hunt(case.id, side, tool, "", "not applicable", message=str(error))
        try:
            release, python = own, environment(own)
        except Unavailable as missing:
            return Hunt(case.id, side, tool, "", "not applicable", message=str(missing))
    began = time.perf_counter()
    if tool == "faultloop":
        found = _with_faultloop(case, python)
    else:
        command = [str(python), "-W", "ignore", "-m", "benchmarks.peers.hunt", tool, str(case.scenario)]
        limits = [str(RUNS if side == "broken" else RUNS_FIXED), str(SECONDS), str(ONCE)]
        try:
            done = subprocess.run(
                [*command, *limits], env=variables, capture_output=True, text=True, timeout=GIVE_UP_SECONDS
            )
        except subprocess.TimeoutExpired:
            return Hunt(case.id, side, tool, release.python, "hung", message=f"no end within {GIVE_UP_SECONDS} s")
        last = (done.stdout.strip().splitlines() or [""])[-1]
        if not last.startswith("{"):
            told = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            return Hunt(case.id, side, tool, release.python, "error", message=told.replace(f"{ROOT}/", "")[:300])
        found = dict(json.loads(last))
    seconds = round(time.perf_counter() - began, 2)
    status, run = ("hung", found["hung"]) if "hung" in found else ("searched", found.get("found"))
    told = " ".join(found["message"].replace(f"{ROOT}/", "").split())[:300]
    return Hunt(case.id, side, tool, release.python, status, found["runs"], run, seconds, told)


def _with_faultloop(case: Case, python: Path) -> dict[str, Any]:
    arguments = ["explore", f"{case.scenario}:scenario", "--driver", case.driver, "--tasks", "victim", "--first"]
    limits = ["--order", "batch", "--runs", str(RUNS), "--time", str(SECONDS), "--forget", "--json", "-"]
    done = faultloop(python, str(case.scenario.parent), *arguments, *limits, "--out", str(RUNNING.parent / "traces"))
    said = json.loads(done.stdout)
    message = said["failures"][0]["message"] if said["failures"] else said["status"]
    return {"runs": said["runs"], "found": said["first_failure_run"], "message": message}


def read(path: Path) -> dict[tuple[str, str, str], Hunt]:
    """What is in a file, none if there is no file."""
    if not path.exists():
        return {}
    hunts = [Hunt(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    return {each.key: each for each in hunts}


def main() -> int:
    """Hunt, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("ids", nargs="*")
    parser.add_argument("--tools", default=",".join(TOOLS))
    parser.add_argument("--fresh", action="store_true", help="run again what is known")
    parser.add_argument("--table", action="store_true", help="run nothing")
    parser.add_argument("--write", action="store_true", help=f"put the results into {KEPT.relative_to(ROOT)}")
    given = parser.parse_args()
    tools = given.tools.split(",")
    cases = [case for case in all_cases() if not given.ids or case.id in given.ids]
    known = read(KEPT) if given.table and not RUNNING.exists() else read(RUNNING)
    for case in cases if not given.table else ():
        for tool in tools:
            for side in ("broken", "fixed"):
                before = known.get((case.id, "broken", tool))
                is_due = side == "broken" or (
                    case.fixed is not None and before is not None and before.found and tool != "faultloop"
                )
                if not is_due or ((case.id, side, tool) in known and not given.fresh):
                    continue
                one = hunt(case, side, tool)
                known[one.key] = one
                RUNNING.parent.mkdir(parents=True, exist_ok=True)
                with RUNNING.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(one)) + "\n")
                print(one, file=sys.stderr, flush=True)
    print(table(cases, known, tools))
    if given.write:
        merged = {**read(KEPT), **known}
        KEPT.write_text("".join(json.dumps(asdict(merged[key])) + "\n" for key in sorted(merged)), encoding="utf-8")
    return 0


def table(cases: list[Case], known: dict[tuple[str, str, str], Hunt], tools: list[str]) -> str:
    """Markdown: the run that found the bug, and why there is none."""
    pins = versions()
    heads = [f"{tool} {pins.get(tool.partition('+')[0], '')}".strip() for tool in tools]
    lines = ["| case | " + " | ".join(heads) + " |", "|---" * (len(tools) + 1) + "|"]
    counts = dict.fromkeys(tools, 0)
    for case in cases:
        sides = [(known.get((case.id, "broken", tool)), known.get((case.id, "fixed", tool))) for tool in tools]
        lines.append(f"| {case.id} | " + " | ".join(cell(*each) for each in sides) + " |")
        for tool, each in zip(tools, sides, strict=True):
            counts[tool] += verdict(*each) == "found"
    lines.append("| **found** | " + " | ".join(f"**{counts[tool]}**" for tool in tools) + " |")
    return "\n".join([*lines, "", *obstacles(cases, known, tools)])


def verdict(broken: Hunt | None, fixed: Hunt | None) -> str:
    """One of: not run, not applicable, cannot run, missed, alarm, found."""
    if broken is None:
        return "not run"
    if broken.status in ("not applicable", "error"):
        return "not applicable"
    if broken.found is None:
        return "missed"
    if broken.found == 1 and not broken.message.startswith("AssertionError"):
        return "cannot run"  # the first run has no canceller, and what broke it is no claim of the scenario's
    return "alarm" if fixed is not None and fixed.found is not None else "found"


def cell(broken: Hunt | None, fixed: Hunt | None) -> str:
    """One tool's result on a case."""
    match verdict(broken, fixed):
        case "missed" if broken is not None:
            return "–" if broken.status == "searched" else "hangs"
        case "alarm" if broken is not None and fixed is not None:
            return f"{broken.found}, the fixed one too ({fixed.found})"
        case "found" if broken is not None:
            return f"{broken.found}" + (" (hangs)" if broken.status == "hung" else "")
        case "not applicable":
            return "n/a"
        case other:
            return other


def obstacles(cases: list[Case], known: dict[tuple[str, str, str], Hunt], tools: list[str]) -> list[str]:
    """Why tools cannot run cases: a line for each reason."""
    why: dict[tuple[str, str], list[str]] = {}
    for tool in tools:
        for case in cases:
            broken = known.get((case.id, "broken", tool))
            kind = verdict(broken, known.get((case.id, "fixed", tool)))
            if broken is not None and kind in ("not applicable", "cannot run"):
                reason = broken.message.partition(" - ")[0].partition(", but ")[0][:REASON_LENGTH]
                why.setdefault((tool, reason), []).append(case.id)
    alike: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (tool, reason), ids in why.items():
        alike.setdefault((reason, tuple(ids)), []).append(tool)
    return [f"- {', '.join(who)}: «{reason}»: {', '.join(ids)}" for (reason, ids), who in alike.items()]


if __name__ == "__main__":
    sys.exit(main())
