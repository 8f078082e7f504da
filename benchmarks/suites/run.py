"""The tests of published libraries, as they are, under the pytest plugin: the tables of docs/compatibility.md.

    python benchmarks/suites/run.py [NAME ...] [--only calm|explored] [--time 2s]

Each release is fetched as its source distribution and gets an environment of its own, with the exact versions of
constraints.txt and of the file beside this one; both are kept in .faultloop/suites. Calm: run without faultloop and
with --faultloop=run; the verdicts of each test are compared. Explored: some modules with --faultloop=explore; each
trace that comes of it is replayed. Exit code 1 if a verdict differs that is not in `Suite.differs`, if pytest ends with
an error of its own or not at all, or if a trace does not replay.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CACHE = ROOT / ".faultloop" / "suites"
PINS = (ROOT / "constraints.txt", HERE / "constraints.txt")
GIVE_UP_SECONDS = 1800
PYTEST_OWN_ERRORS = (2, 3, 4, 5)
"""Exit codes of a session that did not run its tests to the end."""

Tests = dict[str, dict[str, Any]]
"""What is known of each test, by node id: as the recorder writes it."""


class Unavailable(Exception):
    """A suite cannot be had here; the text says why."""


@dataclass(frozen=True, slots=True)
class Suite:
    """A release with its tests.

    needs: what the tests import, for pip.   tests, explored: paths of the distribution.   options: for pytest, most of
    them in the place of what measures coverage.   differs: parts of node ids whose verdict differs, with the reason.
    """

    name: str
    release: str
    runs_on: str
    needs: tuple[str, ...]
    tests: tuple[str, ...]
    explored: tuple[str, ...]
    options: tuple[str, ...] = ()
    differs: tuple[tuple[str, str], ...] = ()

    def reason(self, test: str) -> str:
        """Why the verdict of this test differs; empty if nobody knows."""
        return next((why for part, why in self.differs if part in test), "")


SUITES = (
    Suite(
        "anyio",
        "4.16.0",
        "anyio, asyncio and trio",
        ("trio", "trustme", "pytest-mock", "blockbuster", "psutil", "truststore", "pytest-timeout", "hypothesis"),
        (
            *(f"tests/streams/test_{name}.py" for name in ("buffered", "memory", "stapled", "text")),
            *(f"tests/test_{name}.py" for name in ("concurrency_utils", "contextmanagers", "debugging", "eventloop")),
            *(f"tests/test_{name}.py" for name in ("functools", "futures", "itertools", "lowlevel")),
            *(f"tests/test_{name}.py" for name in ("synchronization", "taskgroups", "typedattr")),
        ),
        ("tests/streams/test_memory.py",),
    ),
    Suite(
        "httpcore",
        "1.0.9",
        "anyio, asyncio and trio",
        ("anyio", "trio", "h2", "socksio", "pytest-trio", "pytest-httpbin"),
        ("tests",),
        ("tests/_async/test_connection_pool.py",),
        differs=(
            ("::test_connection_pool_with_immediate_expiry[", "0.0 s never pass while code runs"),
            (
                "::test_h2_timeout_during_",
                "expected to fail, not strictly: on a real clock it does where the machine is busy",
            ),
        ),
    ),
    Suite(
        "janus",
        "2.0.0",
        "pytest-asyncio",
        ("pytest-asyncio",),
        tuple(f"tests/test_{name}.py" for name in ("async", "mixed", "sync")),
        ("tests/test_async.py",),
    ),
    Suite(
        "async-lru",
        "2.4.0",
        "pytest-asyncio",
        ("pytest-asyncio", "pytest-timeout"),
        ("tests",),
        tuple(f"tests/test_{name}.py" for name in ("basic", "cancel", "close")),
        ("-o", "asyncio_default_fixture_loop_scope=function"),
    ),
    Suite("async-timeout", "5.0.1", "pytest-asyncio", ("pytest-asyncio",), ("tests",), ("tests",)),
    Suite(
        "aiosqlite",
        "0.22.1",
        "unittest",
        (),
        ("aiosqlite/tests/smoke.py",),
        ("aiosqlite/tests/smoke.py",),
        ("-c", "pyproject.toml"),  # which says nothing of pytest, so that ours would be taken
    ),
)


# What is fetched and built


def prepared(suite: Suite) -> tuple[Path, Path]:
    """The folder of a release's sources and the Python of its environment, made if need be. Raises Unavailable."""
    name = f"{suite.name}-{suite.release}"
    pins = "".join(path.read_text(encoding="utf-8") for path in PINS)
    key = hashlib.sha256(f"{sys.version} {suite.needs} {pins}".encode()).hexdigest()[:12]
    folder = CACHE / f"{name}-{key}"
    python = folder / "environment" / "bin" / "python"
    if not (folder / "complete").exists():
        folder.mkdir(parents=True, exist_ok=True)
        _run([sys.executable, "-m", "venv", "--clear", str(folder / "environment")])
        pip = [str(python), "-m", "pip", "--disable-pip-version-check"]
        pinned = f"{suite.name}=={suite.release}"
        fetched = ["--quiet", "--no-deps", "--no-binary", suite.name, "--dest", str(folder), pinned]
        _run([*pip, "download", *fetched])
        archive = next(folder.glob("*.tar.gz"))
        with tarfile.open(archive) as opened:
            opened.extractall(folder / "source", filter="data")
        within = [part for path in PINS for part in ("--constraint", str(path))]
        _run([*pip, "install", "--quiet", *within, str(archive), "-e", f"{ROOT}[pytest]", *suite.needs])
        (folder / "complete").write_text(f"{sys.version}\n", encoding="utf-8")
    return next((folder / "source").iterdir()), python


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise Unavailable(f"{' '.join(command[1:5])}: {last[:300]}")


# What is run


def session(suite: Suite, source: Path, python: Path, tests: Sequence[str], *options: str) -> Tests:
    """One session of pytest's: what became of each test. Raises Unavailable if it did not come to its end."""
    record = source.parents[1] / "record.json"
    record.unlink(missing_ok=True)
    command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "recorder", "--record", str(record)]
    command += ["-o", "addopts=", *suite.options, *options, *tests]
    try:
        done = _told(command, source, GIVE_UP_SECONDS)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"pytest {' '.join(options)} did not end within {GIVE_UP_SECONDS} s") from None
    if done.returncode in PYTEST_OWN_ERRORS or not record.exists():
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise Unavailable(f"pytest {' '.join(options)} ended with exit code {done.returncode}:\n{last}")
    told: Tests = json.loads(record.read_text(encoding="utf-8"))
    return told


def _told(command: Sequence[str], folder: Path, seconds: float) -> subprocess.CompletedProcess[str]:
    surroundings = {**os.environ, "PYTHONPATH": str(HERE), "PYTHONHASHSEED": "0"}
    return subprocess.run(
        command, cwd=folder, env=surroundings, capture_output=True, text=True, timeout=seconds, check=False
    )


def calm(suite: Suite) -> tuple[str, list[str]]:
    """A row of the first table, and what differs without a reason."""
    source, python = prepared(suite)
    plain = session(suite, source, python, suite.tests, "--faultloop=off")
    ours = session(suite, source, python, suite.tests, "--faultloop=run")
    differing = [test for test in plain | ours if _verdict(plain, test) != _verdict(ours, test)]
    for test in differing:
        told = f"{_verdict(plain, test)} without, {_verdict(ours, test)} with: {ours.get(test, {}).get('says', '')}"
        print(f"  {suite.name}: {test}: {told}\n    {suite.reason(test) or 'nobody knows why'}", file=sys.stderr)
    under = sum(bool(known.get("is_ours")) for known in ours.values())
    row = f"| {suite.name} {suite.release} | {suite.runs_on} | {len(plain)} | {under} | {len(plain) - len(differing)} |"
    return row, [f"{suite.name}: {test}" for test in differing if not suite.reason(test)]


def _verdict(tests: Tests, test: str) -> str:
    return str(tests[test]["verdict"]) if test in tests else "not there"


def explored(suite: Suite, seconds: str) -> tuple[str, list[str]]:
    """A row of the second table, and traces that do not replay."""
    source, python = prepared(suite)
    found = session(suite, source, python, suite.explored, "--faultloop=explore", f"--faultloop-time={seconds}")
    ours = [known for known in found.values() if known.get("is_ours")]
    traces = [trace for known in ours for trace in known["traces"]]
    amiss = [why for trace in traces if (why := _replayed(source, python, trace))]
    failed = [known for known in ours if known["verdict"] in ("failed", "error")]
    counts = (
        len(ours),
        sum(known["verdict"] == "passed" and not _is_unsure(known) for known in ours),
        sum(bool(known["traces"]) for known in failed),
        sum(not known["traces"] for known in failed),
        sum(_is_unsure(known) for known in ours),
        f"{len(traces) - len(amiss)} of {len(traces)}",
    )
    modules = ", ".join(Path(path).stem for path in suite.explored)
    row = f"| {suite.name} {suite.release}, {modules} | " + " | ".join(map(str, counts)) + " |"
    return row, [f"{suite.name}: {why}" for why in amiss]


def _is_unsure(known: dict[str, Any]) -> bool:
    return "cannot tell" in known["summary"]


def _replayed(source: Path, python: Path, trace: str) -> str:
    """Empty if a trace replays to the byte; else what was said."""
    command = [str(python), "-m", "faultloop", "replay", trace]
    try:
        done = _told(command, source, 300)
    except subprocess.TimeoutExpired:
        return f"{trace} did not end"
    if re.search(r"with the same digest \w+", done.stdout):
        return ""
    said = (done.stdout + done.stderr).strip().splitlines() or ["nothing"]
    return f"{trace} exit {done.returncode}: {said[-1]}"


HEADS = {
    "calm": "| suite | runs on | tests | under faultloop | same verdict |\n| --- | --- | --- | --- | --- |",
    "explored": "| modules | explored | passed | failed under a fault | without one | cannot tell | traces replayed |\n"
    + "| --- | --- | --- | --- | --- | --- | --- |",
}


def main() -> int:
    """Run what is asked for and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(suite.name for suite in SUITES))
    parser.add_argument("--only", choices=tuple(HEADS), help="one of the two tables")
    parser.add_argument("--time", default="2s", help="what the exploration of one test may take (2s)")
    given = parser.parse_args()
    if unknown := set(given.names) - {suite.name for suite in SUITES}:
        parser.error(f"there is no suite {', '.join(sorted(unknown))}")
    chosen = [suite for suite in SUITES if not given.names or suite.name in given.names]
    wrong: list[str] = []
    for table in (given.only,) if given.only else tuple(HEADS):
        print(HEADS[table], flush=True)
        for suite in chosen:
            try:
                row, amiss = calm(suite) if table == "calm" else explored(suite, given.time)
            except Unavailable as error:
                row, amiss = f"| {suite.name} {suite.release} | could not be run |", [f"{suite.name}: {error}"]
            print(row, flush=True)
            wrong += amiss
        print()
    for line in wrong:
        print(f"amiss: {line}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
