"""Whether `explore` finds real bugs, with the same settings for all: run every case, and print the table.

    python benchmarks/bugs/run.py [ID ...] [--tasks victim] [--fresh] [--table] [--jobs 1] [--write]

With the victim named, the broken release is explored up to its first failure; with `--tasks '*'`, which is what
`explore` does when it is told none, with the whole budget, as the fixed one always is. Each failure is shrunk and
replayed. Results are added to a file as they come, one line each, and what is in it is not run again (`--fresh` does);
`--write` puts them where they are kept, and docs/found.md is made from (`tell.py`).
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.bugs.corpus import ROOT, Case, Side, Unavailable, all_cases, environment
from benchmarks.bugs.open_field import table_of_all
from benchmarks.bugs.results import ALL, KEPT, RUNNING, VICTIM, Failure, Result, add, read, said, table, write

SETTINGS = ["--order", "batch", "--runs", "2000", "--time", "60"]
SIDES: tuple[Side, ...] = ("broken", "fixed")
GIVE_UP_SECONDS = 600


def main() -> int:
    """Run what is asked for and print the table; 1 if a fixed side fails where the victim is named."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("ids", nargs="*")
    parser.add_argument("--tasks", default=VICTIM, choices=(VICTIM, ALL))
    parser.add_argument("--fresh", action="store_true", help="run again what is known")
    parser.add_argument("--table", action="store_true", help="run nothing")
    parser.add_argument("--write", action="store_true", help=f"put the results into {KEPT.relative_to(ROOT)}")
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    cases = [case for case in all_cases() if not given.ids or case.id in given.ids]
    if unknown := set(given.ids) - {case.id for case in cases}:
        parser.error(f"there is no case {', '.join(sorted(unknown))}")
    known = read(KEPT) if given.table and not RUNNING.exists() else read(RUNNING)
    wanted = [(case, side) for case in cases for side in SIDES if case.release(side) is not None]
    done = {key for key, result in known.items() if result.status != "unavailable" and not given.fresh}
    missing = [each for each in wanted if (each[0].id, each[1], given.tasks) not in done]
    if not given.table:
        with ThreadPoolExecutor(given.jobs) as pool:
            for result in pool.map(lambda each: tried(*each, tasks=given.tasks), missing):
                known[result.key] = result
                add(RUNNING, result)
                print(f"{result.id:<34} {result.side:<7} {said(result)}", file=sys.stderr, flush=True)
    print(table(cases, known) if given.tasks == VICTIM else table_of_all(cases, known))
    if given.write:
        write(KEPT, {**read(KEPT), **known}.values())
    fixed = [known[key] for key in known if key[1:] == ("fixed", VICTIM)]
    return int(given.tasks == VICTIM and any(result.failures for result in fixed))


def tried(case: Case, side: Side, *, tasks: str) -> Result:
    """Explore one side of a case, in a folder of its own that has the scenario and nothing else."""
    release = case.release(side)
    assert release is not None, case
    told: dict[str, Any] = {"id": case.id, "side": side, "tasks": tasks, "release": str(release)}
    told["made"] = datetime.datetime.now(datetime.UTC).date().isoformat()
    try:
        python = environment(release)
    except Unavailable as error:
        return Result(**told, python="", status="unavailable", reason=str(error))
    told["python"] = version_of(python)
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(case.scenario, folder)
        arguments = [
            *("explore", "scenario.py:scenario", "--driver", case.driver, *SETTINGS, "--forget"),
            *(["--tasks", tasks] if tasks != ALL else []),
            *(["--first"] if side == "broken" and tasks != ALL else []),
        ]
        began = time.perf_counter()
        try:
            done = faultloop(python, folder, *arguments, "--json", "result.json")
        except subprocess.TimeoutExpired:
            return Result(**told, status="hung", reason=f"no end within {GIVE_UP_SECONDS} s")
        seconds = round(time.perf_counter() - began, 2)
        answer = Path(folder) / "result.json"
        if not answer.exists():
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            return Result(**told, status="error", reason=last[:300])
        found: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
        return Result(
            **told,
            status=found["status"],
            reason=found.get("reason", "")[:300],
            runs=found["runs"],
            seconds=seconds,
            failures=tuple(_failure(each, python, folder) for each in found["failures"]),
            report=done.stdout if tasks == VICTIM and found["failures"] else "",
        )


def _failure(said: dict[str, Any], python: Path, folder: str) -> Failure:
    return Failure(
        message=" ".join(said["message"].split())[:300],
        fault=said["fault"],
        deviations=said["deviations"],
        order=said["order"],
        first_run=said["first_run"],
        replays=replays(python, said["trace"], folder),
    )


def replays(python: Path, trace: str, folder: str) -> bool:
    """Whether a trace is the same run again, in a process of its own."""
    done = faultloop(python, folder, "replay", trace, "--json", "-")
    try:
        return bool(json.loads(done.stdout)["same_digest"])
    except (ValueError, KeyError):
        return False


def faultloop(python: Path, folder: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line of this checkout, under one hash seed."""
    command = [str(python), "-W", "ignore", "-m", "faultloop", *arguments]
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"}
    return subprocess.run(
        command, cwd=folder, env=variables, capture_output=True, text=True, timeout=GIVE_UP_SECONDS, check=False
    )


def version_of(python: Path) -> str:
    """Of an interpreter: «3.12.1»."""
    done = subprocess.run([str(python), "-V"], capture_output=True, text=True, check=True)
    return done.stdout.split()[1]


if __name__ == "__main__":
    sys.exit(main())
