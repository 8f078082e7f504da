"""Whether `explore` finds real bugs, with the same settings for all: run every case, and print the table.

    python benchmarks/bugs/run.py [ID ...] [--tasks victim] [--fresh] [--table] [--jobs 1]

The broken release is explored up to its first failure, which is shrunk and replayed; the fixed one with the whole
budget, and must have none. Results are added to a file as they come, one line each, and what is in it is not run again
(`--fresh` does).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.bugs.corpus import ROOT, Case, Side, Unavailable, all_cases, environment

RESULTS = ROOT / ".faultloop" / "bugs" / "results.jsonl"
SETTINGS = ["--order", "batch", "--runs", "2000", "--time", "60"]
SIDES: tuple[Side, ...] = ("broken", "fixed")
GIVE_UP_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Result:
    """What one side of one case came to.

    status: as `explore` has it, or `unavailable` with a reason.   first_run: of the failure, None if none was found.
    replays: whether the shrunk trace is the same run again; None where there is none.
    """

    id: str
    side: str
    tasks: str
    release: str
    status: str
    reason: str = ""
    first_run: int | None = None
    runs: int = 0
    seconds: float = 0.0
    deviations: int | None = None
    order: str = ""
    fault: str = ""
    message: str = ""
    replays: bool | None = None


def main() -> int:
    """Run what is asked for and print the table; 1 if a fixed side fails."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("ids", nargs="*")
    parser.add_argument("--tasks", default="victim")
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    cases = [case for case in all_cases() if not given.ids or case.id in given.ids]
    if unknown := set(given.ids) - {case.id for case in cases}:
        parser.error(f"there is no case {', '.join(sorted(unknown))}")
    known = {} if given.fresh else known_results()
    wanted = [(case, side) for case in cases for side in SIDES if case.release(side) is not None]
    missing = [each for each in wanted if (each[0].id, each[1], given.tasks) not in known]
    if not given.table:
        with ThreadPoolExecutor(given.jobs) as pool:
            for result in pool.map(lambda each: tried(*each, tasks=given.tasks), missing):
                known[result.id, result.side, result.tasks] = result
                keep(result)
                print(f"{result.id:<34} {result.side:<7} {said(result)}", file=sys.stderr, flush=True)
    print(table(cases, known, given.tasks))
    return int(any(known[key].status == "violated" for key in known if key[1] == "fixed" and key[2] == given.tasks))


def known_results() -> dict[tuple[str, str, str], Result]:
    """What is in the file; later lines count."""
    if not RESULTS.exists():
        return {}
    lines = RESULTS.read_text(encoding="utf-8").splitlines()
    results = [Result(**json.loads(line)) for line in lines if line.strip()]
    return {(result.id, result.side, result.tasks): result for result in results}


def keep(result: Result) -> None:
    """Add a line."""
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    with RESULTS.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(result)) + "\n")


def tried(case: Case, side: Side, *, tasks: str) -> Result:
    """Explore one side of a case."""
    release = case.release(side)
    assert release is not None, case
    try:
        python = environment(release)
    except Unavailable as error:
        return Result(case.id, side, tasks, str(release), "unavailable", reason=str(error))
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "result.json"
        command = [
            *(str(python), "-W", "ignore", "-m", "faultloop", "explore", f"{case.scenario}:scenario"),
            *("--driver", case.driver, "--tasks", tasks, *SETTINGS, "--forget"),
            *("--json", str(answer), "--out", folder, "--root", str(case.scenario.parent)),
            *(["--first"] if side == "broken" else []),
        ]
        began = time.perf_counter()
        try:
            done = subprocess.run(command, env=surroundings(), capture_output=True, text=True, timeout=GIVE_UP_SECONDS)
        except subprocess.TimeoutExpired:
            return Result(case.id, side, tasks, str(release), "hung", reason=f"no end within {GIVE_UP_SECONDS} s")
        if not answer.exists():
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            return Result(case.id, side, tasks, str(release), "error", reason=last[:300])
        found: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
        seconds = time.perf_counter() - began
        return _result(case, side, tasks, str(release), found, python, seconds)


def _result(
    case: Case, side: Side, tasks: str, release: str, found: dict[str, Any], python: Path, seconds: float
) -> Result:
    failure: dict[str, Any] = min(found["failures"], key=lambda each: each["deviations"], default={})
    return Result(
        id=case.id,
        side=side,
        tasks=tasks,
        release=release,
        status=found["status"],
        reason=found.get("reason", "")[:300],
        first_run=found["first_failure_run"],
        runs=found["runs"],
        seconds=round(seconds, 2),
        deviations=failure.get("deviations"),
        order=failure.get("order", ""),
        fault=failure.get("fault", ""),
        message=" ".join(failure.get("message", "").split())[:300],
        replays=replays(python, failure["trace"], case.scenario.parent) if failure else None,
    )


def replays(python: Path, trace: str, root: Path) -> bool:
    """Whether a trace is the same run again, in a process of its own."""
    command = [str(python), "-W", "ignore", "-m", "faultloop", "replay", trace, "--root", str(root), "--json", "-"]
    done = subprocess.run(command, env=surroundings(), capture_output=True, text=True, timeout=120, check=False)
    try:
        return bool(json.loads(done.stdout)["same_digest"])
    except (ValueError, KeyError):
        return False


def surroundings() -> dict[str, str]:
    """The variables of a run: faultloop from this checkout, one hash seed."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"}


def said(result: Result) -> str:
    """A result in a few words."""
    if result.first_run is not None:
        how = (
            f"{result.deviations} deviation(s), order {result.order}, replay {'exact' if result.replays else 'DIFFERS'}"
        )
        return f"found in run {result.first_run}, {result.seconds:.1f} s: {how}: {result.message}"
    return f"{result.status}, {result.runs} runs, {result.seconds:.1f} s {result.reason}".rstrip()


def table(cases: list[Case], known: dict[tuple[str, str, str], Result], tasks: str) -> str:
    """Markdown."""
    lines = [
        "| case | broken | found in run | seconds | deviations | order | replay | fixed | runs | alarms |",
        "|---|---|---:|---:|---:|---|---|---|---:|---|",
    ]
    for case in cases:
        broken, fixed = known.get((case.id, "broken", tasks)), known.get((case.id, "fixed", tasks))
        cells = [case.id, *_broken_cells(broken), *_fixed_cells(case, fixed)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _broken_cells(result: Result | None) -> list[str]:
    if result is None:
        return ["", "not run", "", "", "", ""]
    if result.first_run is None:
        return [result.release, f"**{result.status}** {result.reason}".strip(), f"{result.seconds:.1f}", "", "", ""]
    replay = "exact" if result.replays else "**differs**"
    run, deviations = str(result.first_run), str(result.deviations)
    return [result.release, run, f"{result.seconds:.1f}", deviations, result.order, replay]


def _fixed_cells(case: Case, result: Result | None) -> list[str]:
    if case.fixed is None:
        return ["unfixed", "", ""]
    if result is None:
        return [str(case.fixed), "", "not run"]
    told = (
        f"**{result.message}**" if result.status == "violated" else "0" if result.status == "passed" else result.status
    )
    return [result.release, str(result.runs), told]


if __name__ == "__main__":
    sys.exit(main())
