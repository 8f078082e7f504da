"""Whether a bare `explore` finds the bugs of anyio and of trio on each driver where they exist, and on no other.

    python benchmarks/bugs/both.py [ID ...]

Nothing is named: no task, no order, no budget. `case.toml` says beside which release of trio a case is run, and whether
the bug exists on it: where anyio leaves a primitive to trio, it does not. A bug is taken for found where a failure hits
nothing but the victim, or nothing at all, at a level that a production loop shows.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.bugs.corpus import Case, Release, Unavailable, all_cases, environment
from benchmarks.bugs.open_field import whom
from benchmarks.bugs.results import Failure
from benchmarks.bugs.run import faultloop


def main() -> int:
    """Run what is asked for and print a table; 1 if anything is found where it is not, or not found where it is."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("ids", nargs="*")
    given = parser.parse_args()
    cases = [case for case in all_cases() if case.backend in ("anyio", "trio")]
    if unknown := set(given.ids) - {case.id for case in cases}:
        parser.error(f"there is no case of anyio or trio called {', '.join(sorted(unknown))}")
    print("| case | driver | the bug | found in run | by |\n|---|---|---|---:|---|")
    wrong = 0
    for case in cases:
        for driver, release, exists in sides(case):
            if given.ids and case.id not in given.ids:
                continue
            bug = explored(case, driver, release)
            wrong += (bug is None) is exists or isinstance(bug, str)
            cells = [case.id, driver, "exists" if exists else "is not there", *told(bug)]
            print("| " + " | ".join(cells) + " |", flush=True)
    return int(wrong > 0)


def sides(case: Case) -> list[tuple[str, Release, bool]]:
    """The drivers that a case is run on: in which release, and whether the bug exists there."""
    if case.backend == "trio":
        return [("trio", case.broken, True)]
    said = tomllib.loads(case.scenario.with_name("case.toml").read_text(encoding="utf-8"))
    with_trio = Release(case.broken.python, (*case.broken.pins, said["trio"]))
    return [("asyncio", with_trio, True), ("trio", with_trio, said["exists_on_trio"])]


def explored(case: Case, driver: str, release: Release) -> Failure | str | None:
    """The failure that is the bug, None if there is none, or why nothing can be said."""
    try:
        python = environment(release)
    except Unavailable as error:
        return str(error)
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(case.scenario, folder)
        asked = ("explore", "scenario.py:scenario", "--driver", driver, "--forget", "--json", "result.json")
        done = faultloop(python, folder, *asked)
        answer = Path(folder) / "result.json"
        if not answer.exists():
            return (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        found: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
    if found["first_failure_run"] == 1:
        return None  # it fails by itself there, whatever is done to it: that is not this bug
    failures = [_failure(each) for each in found["failures"]]
    its_own = [each for each in failures if each.order != "any" and whom(each) in ("victim", "order")]
    return min(its_own, key=lambda each: each.first_run, default=None)


def told(bug: Failure | str | None) -> tuple[str, str]:
    """The last two columns."""
    match bug:
        case None:
            return "none", ""
        case str():
            return "cannot tell", bug
        case Failure():
            return str(
                bug.first_run
            ), f"`{bug.fault.replace('scenario.scenario.<locals>.', '')}`" if bug.fault else f"order {bug.order}"


def _failure(said: dict[str, Any]) -> Failure:
    kept = {name: said[name] for name in ("message", "fault", "deviations", "order", "first_run")}
    return Failure(**kept, replays=False)


if __name__ == "__main__":
    sys.exit(main())
