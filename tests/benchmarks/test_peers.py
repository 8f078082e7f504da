"""What the table over other tools says of a hunt; and the tools are pinned."""

import asyncio
import dataclasses
import tempfile
from pathlib import Path

import pytest

from benchmarks.bugs import results
from benchmarks.bugs.corpus import Case, Unavailable, all_cases
from benchmarks.peers.bugs import KEPT, Hunt, cell, obstacles, release_for, table, verdict, why_not
from benchmarks.peers.hunt import with_canceller
from benchmarks.peers.place import versions
from faultloop import run
from tests.tidy.rules import machine_names

CASES = {case.id: case for case in all_cases()}
FOUND = Hunt("redis-desync", "broken", "simloop", "3.12.1", "searched", 9, 9, 1.0, "AssertionError: asked for user:3")
HELD = Hunt("redis-desync", "fixed", "simloop", "3.12.1", "searched", 300)


def test_all_peers_are_pinned():
    assert set(versions()) == {"simloop", "simloom", "cancellens"}


@pytest.mark.parametrize(
    ("broken", "fixed", "kind", "told"),
    [
        (None, None, "not run", "not run"),
        (FOUND, HELD, "found", "9"),
        (FOUND, None, "found", "9"),
        (dataclasses.replace(FOUND, status="hung"), HELD, "found", "9 (hangs)"),
        (FOUND, dataclasses.replace(FOUND, side="fixed", found=3), "alarm", "9, the fixed one too (3)"),
        (dataclasses.replace(FOUND, found=None), None, "missed", "–"),
        (dataclasses.replace(FOUND, found=None, status="hung"), None, "missed", "hangs"),
        (dataclasses.replace(FOUND, status="not applicable"), None, "not applicable", "n/a"),
        (dataclasses.replace(FOUND, found=1, message="IndexError: x"), None, "cannot run", "cannot run"),
        (dataclasses.replace(FOUND, found=2, message="IndexError: x"), HELD, "found", "2"),
        (dataclasses.replace(FOUND, found=1), HELD, "found", "1"),
    ],
    ids=["none", "found", "unfixed", "hang", "alarm", "missed", "stuck", "n-a", "error", "later", "first"],
)
def test_a_hunt_is_told_for_what_it_is(broken: Hunt | None, fixed: Hunt | None, kind: str, told: str):
    assert verdict(broken, fixed) == kind
    assert cell(broken, fixed) == told


def test_the_table_counts_what_was_found_and_says_why_not():
    cannot = Hunt("redis-desync", "broken", "cancellens", "3.11.7", "not applicable", message="no tasks")
    known = {each.key: each for each in (FOUND, HELD, cannot)}
    lines = table([CASES["redis-desync"]], known, ["simloop", "cancellens"]).splitlines()
    assert lines[0] == f"| case | simloop {versions()['simloop']} | cancellens {versions()['cancellens']} |"
    assert lines[2:4] == ["| redis-desync | 9 | n/a |", "| **found** | **1** | **0** |"]
    assert obstacles([CASES["redis-desync"]], known, ["cancellens"]) == ["- cancellens: «no tasks»: redis-desync"]


@pytest.mark.parametrize(
    ("case", "tool", "is_able"),
    [
        (CASES["redis-desync"], "cancellens", True),
        (CASES["anyio-lock-race-387"], "cancellens", False),
        (CASES["anyio-lock-race-387"], "simloop", True),
        (CASES["trio-nursery-exit-cancelled"], "simloom", False),
        (CASES["trio-nursery-exit-cancelled"], "faultloop", True),
    ],
    ids=["task", "group", "order", "trio", "ours"],
)
def test_what_a_tool_cannot_run_is_known_beforehand(case: Case, tool: str, is_able: bool):
    assert bool(why_not(case, tool)) != is_able


def test_a_case_of_an_older_python_is_moved_for_those_that_need_a_newer_one():
    case = CASES["redis-desync"]
    assert release_for(case, "broken", "simloop").python == "3.12.1"
    assert release_for(case, "broken", "faultloop").python == "3.12.1"
    assert release_for(case, "broken", "cancellens") == case.broken
    with pytest.raises(Unavailable, match="one of CPython"):
        release_for(CASES["cpy-wait-for-swallows-cancel"], "broken", "simloop")


@pytest.mark.parametrize("seed", range(1, 9))
def test_the_canceller_cancels_the_victim_once_and_nobody_else(seed: int):
    told: list[str] = []

    async def wait_for_ever(name: str) -> None:
        try:
            await asyncio.sleep(1_000)
        except asyncio.CancelledError:
            told.append(name)
            raise

    async def scenario() -> None:
        other = asyncio.create_task(wait_for_ever("other"), name="other")
        victim = asyncio.create_task(wait_for_ever("victim"), name="victim")
        await asyncio.wait({victim}, timeout=10)
        assert victim.cancelled()
        assert not other.done()
        other.cancel()

    assert run(with_canceller(scenario, seed)).status == "passed"
    assert told[0] == "victim"


@pytest.mark.parametrize("kept", [KEPT, results.KEPT], ids=["peers", "bugs"])
def test_what_is_kept_names_no_place_of_the_machine_that_it_was_made_on(kept: Path):
    text = kept.read_text(encoding="utf-8")
    assert text
    assert machine_names(str(kept), text) == []
    assert f"{tempfile.gettempdir()}/" not in text
