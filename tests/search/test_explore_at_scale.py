"""Exploring in several processes, on executors, in parts: the same is found, nothing is lost, nothing is done twice."""

import asyncio
import functools
import importlib
import json
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from faultloop import Checks, Exploration, Limits, explore
from faultloop.errors import CrewError, JournalError, UsageError
from faultloop.search.conditions import Conditions
from faultloop.search.explore import Files
from faultloop.search.findings import Progress
from faultloop.search.ledger import OnProgress
from faultloop.search.loaded import own_sources
from faultloop.search.program import forget, make_program, require_same_sources
from faultloop.search.target import load_target

made = 0
"""How often this process has run the scenario below."""


async def leaky() -> None:
    """A resource that is given back after an await of the cleanup's own."""
    global made
    made += 1
    held = 0

    async def user() -> None:
        nonlocal held
        held += 1
        try:
            await asyncio.sleep(1)
        finally:
            await asyncio.sleep(0.5)
            held -= 1

    users = [asyncio.create_task(user(), name=f"user-{n}") for n in range(3)]
    await asyncio.gather(*users, return_exceptions=True)
    assert held == 0, "the resource is still held"


async def deadly() -> None:
    """Takes the whole process along when the guard is cancelled; anybody else only fails."""

    async def guard() -> None:
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            if threading.current_thread() is threading.main_thread():
                os._exit(9)
            raise

    async def other() -> None:
        await asyncio.sleep(1)

    tasks = [asyncio.create_task(guard(), name="guard"), asyncio.create_task(other(), name="other")]
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert not any(isinstance(each, BaseException) for each in ended), "somebody was cancelled"


def essence(found: Exploration) -> tuple[object, ...]:
    failures = {(failure.fault, failure.message, failure.order, failure.count) for failure in found.failures}
    return (found.status, failures, found.runs, found.tried, found.first_failure_run, found.exhausted)


@functools.cache
def alone() -> Exploration:
    return explore(leaky, faults=["cancel"], order="fifo")


def test_two_processes_come_to_the_same_as_one():
    assert essence(explore(leaky, faults=["cancel"], order="fifo", jobs=2)) == essence(alone())


def test_several_processes_stop_at_the_same_first_failure():
    asked: dict[str, Any] = {"faults": ["cancel"], "order": "fifo", "first": True}
    one, two = explore(leaky, **asked), explore(leaky, jobs=2, **asked)
    assert one.runs == one.first_failure_run
    assert essence(two) == essence(one)
    assert two.points_tried == one.points_tried


def test_threads_of_an_executor_come_to_the_same():
    with ThreadPoolExecutor(2) as executor:
        assert essence(explore(leaky, faults=["cancel"], order="fifo", executor=executor)) == essence(alone())


def test_orders_are_drawn_by_as_many_strategies_as_there_are_processes():
    found = explore(leaky, faults=(), jobs=2, runs=300, order="batch")
    assert found.status == "passed"
    assert found.runs >= 300 or found.exhausted


def test_a_run_that_ends_its_process_is_named_and_takes_nothing_else_along():
    found = explore(deadly, faults=["cancel"], order="fifo", depth=1, jobs=2)
    assert found.status == "passed" or found.failures
    assert any("came to an end" in note.reason or "exit" in note.reason for note in found.not_tried), found.not_tried
    assert not any("every single fault" in sentence for sentence in found.exhausted)


def test_a_number_of_jobs_below_one_is_refused():
    with pytest.raises(UsageError) as caught:
        explore(leaky, jobs=0)
    assert caught.value.code == "FL406"


def interrupted_after(runs: int) -> OnProgress:
    def stop(progress: Progress) -> None:
        if progress.runs >= runs:
            raise KeyboardInterrupt

    return stop


def test_what_was_interrupted_goes_on_where_it_was(tmp_path: Path):
    global made
    journal = tmp_path / "journal.jsonl"
    asked: dict[str, Any] = {"faults": ["cancel"], "order": "fifo"}
    first = explore(leaky, on_progress=interrupted_after(20), files=Files(journal), **asked)
    assert (first.status, first.reason) == ("violated", "interrupted")
    made = 0
    again = explore(leaky, files=Files(journal, resume=True), **asked)
    assert essence(again) == essence(alone())
    in_parts = made
    made = 0
    explore(leaky, faults=["cancel"], order="fifo")
    assert in_parts < made - 15


def test_a_journal_of_another_exploration_is_not_gone_on_with(tmp_path: Path):
    journal = tmp_path / "journal.jsonl"
    explore(leaky, faults=["cancel"], order="fifo", depth=1, files=Files(journal))
    with pytest.raises(JournalError, match="faults"):
        explore(leaky, faults=["expire"], order="fifo", depth=1, files=Files(journal, resume=True))
    explore(leaky, faults=["expire"], order="fifo", depth=1, files=Files(journal))


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"limits": Limits(steps=5_000)}, "limits is the usual there and steps=5000 here"),
        ({"checks": Checks(leaked_tasks="violation")}, "checks is the usual there and leaked_tasks=violation here"),
        ({"threads": "real"}, "threads is inline there and real here"),
        ({"io": "simulated"}, "io is auto there and simulated here"),
    ],
    ids=["limits", "checks", "threads", "io"],
)
def test_results_under_other_conditions_are_not_taken_over(tmp_path: Path, changed: dict[str, Any], named: str):
    journal = tmp_path / "journal.jsonl"
    asked: dict[str, Any] = {"faults": ["cancel"], "order": "fifo", "depth": 1}
    explore(leaky, files=Files(journal), **asked)
    with pytest.raises(JournalError, match=named):
        explore(leaky, files=Files(journal, resume=True), **asked, **changed)


MENDED_LATER = """import asyncio
async def scenario():
    try:
        await asyncio.sleep(1)
    except asyncio.CancelledError:
        {cleanup}
        raise
"""


def test_results_of_code_that_has_changed_since_are_not_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The calm run does not come by where the code was mended, so it looks the same."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").touch()
    program, journal = tmp_path / "mended_later.py", tmp_path / "journal.jsonl"

    def explored(cleanup: str, *, resume: bool) -> Exploration:
        program.write_text(MENDED_LATER.format(cleanup=cleanup))
        monkeypatch.delitem(sys.modules, "mended_later", raising=False)
        importlib.invalidate_caches()
        scenario = load_target("mended_later.py:scenario", root=tmp_path)
        return explore(scenario, target="mended_later.py:scenario", files=Files(journal, resume=resume))

    assert explored("assert False", resume=False).status == "violated"
    assert explored("assert False", resume=True).status == "violated"
    with pytest.raises(JournalError, match=r": since then there were changes in mended_later\.py\. "):
        explored("pass  # mended", resume=True)
    assert explored("pass  # mended", resume=False).status == "passed"


USES_HELPER = """import asyncio
import helper_that_never_waits as helper
async def scenario():
    try:
        await asyncio.sleep(1)
    except asyncio.CancelledError:
        helper.clean_up()
        raise
"""


def test_a_change_in_a_module_that_no_task_waits_in_is_seen_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Only the scenario's module, which stays as it is, waits; a module that is imported meanwhile says nothing."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "uses_helper.py").write_text(USES_HELPER)
    journal = tmp_path / "journal.jsonl"

    def explored(clean_up: str, *, resume: bool) -> Exploration:
        (tmp_path / "helper_that_never_waits.py").write_text(f"def clean_up():\n    {clean_up}\n")
        for name in ("uses_helper", "helper_that_never_waits"):
            monkeypatch.delitem(sys.modules, name, raising=False)
        importlib.invalidate_caches()
        scenario = load_target("uses_helper.py:scenario", root=tmp_path)
        return explore(scenario, target="uses_helper.py:scenario", files=Files(journal, resume=resume))

    assert explored("assert False", resume=False).status == "violated"
    (tmp_path / "imported_meanwhile.py").touch()
    importlib.import_module("imported_meanwhile")
    assert explored("assert False", resume=True).status == "violated"
    with pytest.raises(JournalError, match=r": since then there were changes in helper_that_never_waits\.py\. "):
        explored("pass  # mended", resume=True)
    assert explored("pass  # mended", resume=False).status == "passed"


def test_a_worker_with_another_text_of_a_module_that_no_task_waits_in_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """As another process would, which has not made the program known. What it has not loaded, it is not asked for."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "asks_helper.py").write_text(USES_HELPER.replace("helper_that_never_waits", "helper_of_workers"))
    (tmp_path / "helper_of_workers.py").write_text("def clean_up(): ...\n")

    def asked(sources: dict[str, str]) -> None:
        program = make_program(leaky, Conditions.of(), target="asks_helper.py:scenario")
        forget(program.key)
        require_same_sources(replace(program, root=str(tmp_path)), sources)

    load_target("asks_helper.py:scenario", root=tmp_path)
    here = own_sources(tmp_path)
    assert {"asks_helper.py", "helper_of_workers.py"} <= set(here)
    asked({**here, "only_where_it_was_asked.py": "another"})
    with pytest.raises(CrewError, match=r"another helper_of_workers\.py than there is now.*FL408"):
        asked({**here, "helper_of_workers.py": "another"})


async def crowd() -> None:
    """Too many orders to enumerate."""

    async def one() -> None:
        for _ in range(3):
            await asyncio.sleep(0)

    await asyncio.gather(*(one() for _ in range(6)))


def test_what_strategies_learned_is_kept_and_taken_up_again(tmp_path: Path):
    memory = tmp_path / "memory.json"
    explore(crowd, faults=(), runs=200, order="batch", files=Files(memory=memory))
    before = json.loads(memory.read_bytes())["learned"]
    assert before["lengths"]["steps"][0] > 18
    explore(crowd, faults=(), runs=200, order="batch", files=Files(memory=memory), seed=1)
    after = json.loads(memory.read_bytes())["learned"]
    assert set(before["sites"]) <= set(after["sites"])


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff\x00", b'{"format": "other", "version": 1, "learned": {}}'])
def test_a_memory_that_cannot_be_used_is_begun_anew(tmp_path: Path, data: bytes):
    memory = tmp_path / "memory.json"
    memory.write_bytes(data)
    assert explore(crowd, faults=(), runs=100, order="batch", files=Files(memory=memory)).status == "passed"
    assert json.loads(memory.read_bytes())["format"] == "faultloop-learned"
