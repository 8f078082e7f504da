"""Wrong command lines, queues that are none, stores that do not answer: a sentence, a code, nothing changed."""

from __future__ import annotations

import itertools
import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from aqueue.cli.loading import load_queue
from aqueue.errors import BadTarget
from aqueue.store.sqlite import reading
from aqueue.store.sqlite import store as writing
from tests.aqueue.cli.conftest import Ask

S = ("--store", "sqlite:///jobs.db")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("", "AQ060 no command was named. Expected: work, ps, show,"),
        ("fly", "AQ060 argument VERB: invalid choice: 'fly'"),
        ("ps", "AQ060 ps was not told which store. Expected: --store sqlite:///jobs.db"),
        ("ps --store", "AQ060 argument --store: expected one argument"),
        ("ps --limit 0 --store x", "'0' is no number from 1 up"),
        ("ps --limit -3 --store x", "AQ060 argument --limit"),
        ("show --store x", "AQ060 the following arguments are required: ID"),
        ("show one --store x", "'one' is no number from 1 up"),
        ("show ² --store x", "'²' is no number from 1 up"),
        ("show 99999999999999999999 --store x", "is no number from 1 up"),
        ("stats --window soon --store x", "'soon' is no time; write 30, 30s, 5m, 2h or 1d"),
        ("stats --window nan --store x", "'nan' is no time"),
        ("stats --window 9e99d --store x", "is no time"),
        ("dead --store x", "AQ060"),
        ("dead bury --store x", "invalid choice: 'bury'"),
        ("dead redrive --store x", "AQ060 it must be said which jobs. Expected: numbers of jobs, or --all"),
        ("dead redrive 1 --all --store x", "AQ060 it must be said which jobs"),
        ("dead park 1 --task t --store x", "AQ060 --task goes with --all"),
        ("dead redrive --all --rate 0 --store x", "'0' is no rate; write 10/s"),
        ("dead purge 1 --store x", "AQ060 purge removes jobs for good. Expected: --yes"),
        ("cancel --store x", "required: ID"),
        ("cron --store x", "AQ060"),
        ("spread --store x", "required: --over"),
        ("work", "required: QUEUE"),
        ("work app:q --backend curio", "invalid choice: 'curio'"),
        ("work app:q --concurrency 0", "'0' is no number from 1 up"),
        ("check --store redis://localhost", "AQ001 'redis://localhost' names no store"),
        ("check --store jobs.db", "AQ001 'jobs.db' names no store"),
        ("check --store sqlite:jobs.db", "AQ001 'sqlite:jobs.db' names no store"),
        ("check --store sqlite:///jobs.db?timeout=5", "AQ001 'sqlite:///jobs.db?timeout=5' has options"),
        ("check --store memory:", "AQ001 'memory:' is a store in memory"),
        ("check --store sqlite:///missing.db", "AQ062 'missing.db' does not exist"),
        ("repair --store sqlite:///missing.db", "AQ062 'missing.db' does not exist"),
        ("cancel 1 --store sqlite:///.", "AQ062 '.' is no file"),
        ("check --store sqlite:///no/such/folder/jobs.db", "AQ062"),
    ],
)
def test_a_wrong_command_line_is_answered_with_a_sentence(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, told: str
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AQUEUE_STORE", raising=False)
    answer = ask(*line.split())
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("aqueue: AQ")
    assert told in answer.err
    assert answer.err.count("\n") == 1
    assert not list(tmp_path.iterdir()), "nothing is made by looking for it"


def test_the_store_may_be_named_by_the_environment(ask: Ask, store: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AQUEUE_STORE", store)
    assert ask("check").code == 0


@pytest.mark.parametrize("verb", ["--help", "work --help", "dead redrive --help", "--version"])
def test_help_and_version_are_no_errors(ask: Ask, verb: str):
    answer = ask(*verb.split())
    assert (answer.code, answer.err) == (0, "")
    assert "aqueue" in answer.out


APP = """
from aqueue import Queue
import os
q = Queue("sqlite:///" + os.path.join(os.path.dirname(os.path.abspath(__file__)), "jobs.db"))
class holder:
    inner = q
kept = Queue("memory:")
number = 7
"""


@pytest.fixture
def app(jobs: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (jobs.parent / "shop_app.py").write_text(APP, encoding="utf-8")
    for name, source in {
        "broken_app": "x = 1\nraise ValueError('no settings')\n",
        "leaving_app": "raise SystemExit(0)\n",
        "needy_app": "import not_there_at_all\n",
        "unparsable_app": "def (:\n",
    }.items():
        (jobs.parent / f"{name}.py").write_text(source, encoding="utf-8")
    monkeypatch.chdir(jobs.parent)
    monkeypatch.setattr("sys.path", ["/usr/lib/none"])
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    return jobs.parent


def unload(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    for name in [name for name in sys.modules if name.endswith("_app")]:
        monkeypatch.delitem(sys.modules, name)


@pytest.mark.parametrize("target", ["shop_app:q", "shop_app.py:q", "./shop_app.py:q", "shop_app:holder.inner"])
def test_a_queue_is_found_by_module_and_by_file(app: Path, monkeypatch: pytest.MonkeyPatch, ask: Ask, target: str):
    assert load_queue(target).__class__.__name__ == "Queue"
    assert ask("check", "--store", target).code == 0
    unload(monkeypatch)


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("shop_app", "'shop_app' names no queue"),
        (":q", "':q' names no queue"),
        ("shop_app:", "names no queue"),
        ("shop_app:q q", "names no queue"),
        ("shop_app:nothing", "shop_app has no 'nothing'"),
        ("shop_app:number", "shop_app:number is a int, no Queue"),
        ("nowhere_app:q", "there is no module 'nowhere_app' here or on the path"),
        ("nowhere_app.py:q", "there is no file 'nowhere_app.py'"),
        ("shop_app.inner:q", "there is no module 'shop_app.inner'"),
        ("broken_app:q", "importing broken_app:q raised ValueError: no settings, at "),
        ("broken_app.py:q", "broken_app.py:2. Expected"),
        ("leaving_app:q", "raised SystemExit: 0"),
        ("needy_app:q", "importing needy_app:q raised ModuleNotFoundError: No module named 'not_there_at_all'"),
        ("unparsable_app:q", "raised SyntaxError"),
    ],
)
def test_a_queue_that_cannot_be_loaded_is_said_to_be_so(
    app: Path, monkeypatch: pytest.MonkeyPatch, ask: Ask, target: str, told: str
):
    with pytest.raises(BadTarget) as refused:
        load_queue(target)
    assert told in str(refused.value)
    answer = ask("work", target)
    assert answer.code == 2
    assert answer.err.startswith("aqueue: AQ061")
    unload(monkeypatch)


def test_a_queue_in_memory_has_nothing_to_look_at_from_outside(app: Path, monkeypatch: pytest.MonkeyPatch, ask: Ask):
    assert "AQ001 'shop_app:kept' is a store in memory" in ask("ps", "--store", "shop_app:kept").err
    unload(monkeypatch)


# Stores that are not as they should be


@pytest.mark.parametrize("command", ["ps", "check", "repair", "repair --dry-run", "cancel 1", "dead redrive --all"])
@pytest.mark.parametrize(
    ("content", "code", "told"),
    [
        (b"", 2, "AQ062 {} is empty"),
        (b"hello, world\n" * 99, 3, "AQ011 {} cannot be read: file is not a database"),
        (b"SQLite format 3\0" + b"\0" * 500, 3, "AQ011"),
    ],
    ids=["empty", "text", "header only"],
)
def test_what_is_no_database_is_left_as_it_is(
    ask: Ask, tmp_path: Path, command: str, content: bytes, code: int, told: str
):
    path = tmp_path / "jobs.db"
    path.write_bytes(content)
    answer = ask(*command.split(), "--store", f"sqlite:///{path}")
    assert (answer.code, answer.out) == (code, "")
    assert told.format(repr(str(path))) in answer.err
    assert path.read_bytes() == content


@pytest.mark.parametrize("command", ["ps", "repair", "cancel 1"])
def test_a_database_of_somebody_else_is_left_as_it_is(ask: Ask, tmp_path: Path, command: str):
    path = tmp_path / "theirs.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE customer(name TEXT)")
    before = path.read_bytes()
    answer = ask(*command.split(), "--store", f"sqlite:///{path}")
    assert (answer.code, "holds no queue" in answer.err) == (2, True)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("change", "told"),
    [("UPDATE aq_meta SET value=99", "version 99"), ("UPDATE aq_meta SET value=1", "is of version 1")],
    ids=["newer", "older"],
)
@pytest.mark.parametrize("command", ["stats", "repair", "cancel 6"])
def test_a_schema_of_another_version_is_refused_and_not_migrated(
    ask: Ask, store: str, jobs: Path, command: str, change: str, told: str
):
    with closing(sqlite3.connect(jobs)) as connection, connection:
        connection.execute(change)
    before = jobs.read_bytes()
    answer = ask(*command.split(), "--store", store)
    assert (answer.code, answer.err[:13], told in answer.err) == (2, "aqueue: AQ008", True)
    assert jobs.read_bytes() == before


def test_a_locked_file_is_said_to_be_locked(ask: Ask, store: str, jobs: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reading, "LOCKED_TRIES", 2)
    monkeypatch.setattr(reading, "LOCKED_PAUSE_SECONDS", 0)
    with closing(sqlite3.connect(jobs, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("BEGIN EXCLUSIVE")
        for command in ("ps", "cancel 6"):
            answer = ask(*command.split(), "--store", store)
            assert (answer.code, "it stayed locked" in answer.err) == (3, True)
    assert ask("ps", "--store", store).code == 0


def test_a_writer_does_not_keep_a_reader_waiting(ask: Ask, store: str, jobs: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reading, "LOCKED_TRIES", 1)
    with closing(sqlite3.connect(jobs, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("DELETE FROM aq_job")
        assert ask("check", "--store", store).code == 0
        connection.execute("ROLLBACK")


def test_a_store_that_does_not_answer_is_one_sentence_and_its_log_is_for_who_asks(
    ask: Ask, store: str, write_with: Callable[[str], None]
):
    write_with("PRAGMA query_only=ON")
    answer = ask("cancel", 6, "--store", store)
    assert (answer.code, answer.err.count("\n"), "store.commit_failed" in answer.err) == (3, 1, False)
    assert logging.getLogger("aqueue").handlers == []


@pytest.fixture
def write_with(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Have commands that write open the file with a pragma."""

    def arrange(pragma: str) -> None:
        real = writing.connect_file

        def connect(*arguments: Any) -> sqlite3.Connection:
            connection = real(*arguments)
            connection.execute(pragma)
            return connection

        monkeypatch.setattr(writing, "connect_file", connect)

    return arrange


def test_a_full_disk_is_said_to_be_full_and_nothing_is_lost(
    ask: Ask, store: str, jobs: Path, write_with: Callable[[str], None]
):
    """SQLite's own bound on pages gives the answer that a disk without room gives."""
    with closing(sqlite3.connect(jobs, isolation_level=None)) as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count={pages}")
        event = "INSERT INTO aq_event(job_id,at,kind,attempt) VALUES(2,1,'redriven',1)"
        with pytest.raises(sqlite3.OperationalError, match="full"):
            connection.executemany(event, itertools.repeat(()))  # until no more fits
    write_with(f"PRAGMA max_page_count={pages}")
    answer = ask("dead", "redrive", 3, "--store", store)
    assert (answer.code, answer.err[:13], "disk is full" in answer.err) == (3, "aqueue: AQ011", True)
    record = ask("show", 3, "--store", store, "--json").record
    assert (record["state"], record["history"][-1]["kind"]) == ("dead", "buried")


def test_a_file_that_cannot_be_written_is_said_to_be_so(
    ask: Ask, store: str, jobs: Path, write_with: Callable[[str], None]
):
    write_with("PRAGMA query_only=ON")
    before = jobs.read_bytes()
    for command in ("cancel 6", "dead park 2", "dead purge 2 --yes", "cron remove nightly"):
        answer = ask(*command.split(), "--store", store)
        assert (answer.code, "readonly database" in answer.err) == (3, True)
    assert jobs.read_bytes() == before
