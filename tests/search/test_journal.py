"""A journal keeps what was finished, wherever it was cut off, and nothing else."""

import multiprocessing
import os
import signal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultloop.errors import JournalError
from faultloop.search.journal import Identity, open_journal
from tests.search.duties import in_a_process_of_its_own


class Result(msgspec.Struct, frozen=True):
    """A value as a search might keep it."""

    runs: int
    said: str = ""


IDENTITY: Identity = {"target": "sha256:ab", "seed": 1, "time": None}


def written(path: Path, *keys: str) -> bytes:
    """A journal with an entry for each key."""
    with open_journal(path, IDENTITY, Result, resume=False) as journal:
        for number, key in enumerate(keys):
            journal.write(key, Result(number, key))
    return path.read_bytes()


def resumed(path: Path, identity: Identity = IDENTITY) -> dict[str, Result]:
    """What a journal held when it was opened again."""
    with open_journal(path, identity, Result, resume=True) as journal:
        return dict(journal.entries)


def refused(path: Path, identity: Identity = IDENTITY, *, resume: bool = True) -> JournalError:
    """How the file is refused, which leaves it as it was."""
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(JournalError) as told:
        open_journal(path, identity, Result, resume=resume)
    assert (path.read_bytes() if path.is_file() else None) == before
    return told.value


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal is."""
    return tmp_path / "search.jsonl"


def test_what_is_written_is_there_when_it_is_resumed_in_its_order(path: Path):
    written(path, "b", "a")
    assert list(resumed(path).items()) == [("b", Result(0, "b")), ("a", Result(1, "a"))]


def test_a_resumed_journal_goes_on(path: Path):
    whole = written(path, "a", "b")
    written(path, "a")
    with open_journal(path, IDENTITY, Result, resume=True) as journal:
        journal.write("b", Result(1, "b"))
    assert path.read_bytes() == whole


def test_resuming_where_nothing_is_begins_one(path: Path):
    assert resumed(path) == {}
    assert resumed(path) == {}
    assert path.read_bytes() == written(path)


def test_not_resuming_begins_anew_whoever_s_it_was(path: Path):
    written(path, "a")
    with open_journal(path, {"seed": 2}, Result, resume=False) as journal:
        assert journal.entries == {}
    assert resumed(path, {"seed": 2}) == {}


def test_of_two_entries_of_one_key_the_later_one_counts(path: Path):
    written(path, "a", "b", "a")
    assert resumed(path) == {"a": Result(2, "a"), "b": Result(1, "b")}


def test_a_line_is_with_the_system_when_write_returns(path: Path):
    with open_journal(path, IDENTITY, Result, resume=False) as journal:
        journal.write("a", Result(0))
        assert path.read_bytes().endswith(b'"key":"a","value":{"runs":0,"said":""}}\n')


@settings(deadline=None)
@given(
    keys=st.lists(st.text(st.characters(codec="utf-8"), max_size=8), max_size=6, unique=True),
    where=st.integers(0, 1_000),
)
def test_a_journal_cut_anywhere_holds_each_whole_line_and_no_other(
    tmp_path_factory: pytest.TempPathFactory, keys: list[str], where: int
):
    path = tmp_path_factory.mktemp("cut") / "search.jsonl"
    whole = written(path, *keys)
    cut = whole[: where % (len(whole) + 1)]
    path.write_bytes(cut)
    complete = max(0, cut.count(b"\n") - 1)
    expected = {key: Result(number, key) for number, key in enumerate(keys[:complete])}
    assert resumed(path) == expected
    # … and the rest can be written as if nothing had happened.
    with open_journal(path, IDENTITY, Result, resume=True) as journal:
        for number, key in enumerate(keys):
            if key not in journal.entries:
                journal.write(key, Result(number, key))
    assert path.read_bytes() == whole


def test_a_process_that_is_killed_while_it_writes_loses_no_line_it_has_written(path: Path):
    said = in_a_process_of_its_own("writes_and_dies", str(path))
    assert said == -signal.SIGKILL
    with open_journal(path, {"seed": 1}, int, resume=True) as journal:
        assert journal.entries == {str(number): number for number in range(500)}


# Refusals


def test_the_journal_of_another_search_is_refused_by_what_differs(path: Path):
    written(path, "a")
    told = refused(path, {"target": "sha256:ab", "seed": 2, "runs": 9})
    assert told.code == "FL111"
    assert "seed is 1 there and 2 here; runs is missing there and 9 here; time is None there and missing here" in str(
        told
    )


@pytest.mark.parametrize(
    "text", ["[project]\nname = 1\n", "no newline", '{"format":"faultloop-trace"}\n', "{}\n", "\n"]
)
@pytest.mark.parametrize("resume", [True, False])
def test_a_file_that_is_no_journal_is_left_as_it_is(path: Path, text: str, resume: bool):
    path.write_text(text, encoding="utf-8")
    assert refused(path, resume=resume).code == "FL112"


def test_a_journal_of_another_version_is_refused(path: Path):
    path.write_bytes(written(path, "a").replace(b'"version":1', b'"version":2', 1))
    assert "is a journal of version 2; this faultloop writes 1. Begin it anew by not resuming" in str(refused(path))


def test_a_journal_of_another_version_is_begun_anew_where_nothing_is_resumed(path: Path):
    path.write_bytes(written(path, "a").replace(b'"version":1', b'"version":2', 1))
    assert written(path, "b") == written(path.with_name("fresh"), "b")


@pytest.mark.parametrize("line", [b"{}", b"\xff\xfe", b"", b'{"key":"b","value":{"runs":"many"}}', b"[" * 100_000])
def test_a_damaged_line_is_named_and_nothing_after_it_is_guessed(path: Path, line: bytes):
    lines = written(path, "a", "b").splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], line + b"\n", lines[2]]))
    told = refused(path)
    assert told.code == "FL113"
    assert "line 3 cannot be read" in str(told)


def test_a_place_where_nothing_can_be_written_is_told(tmp_path: Path):
    assert refused(tmp_path).code == "FL110"
    assert refused(tmp_path / "missing" / "search.jsonl").code == "FL110"
    assert refused(tmp_path / "nul\0").code == "FL110"


def test_a_line_that_does_not_fit_is_told_and_leaves_the_file_as_it_was(path: Path):
    assert in_a_process_of_its_own("fills_the_disk", str(path)) == ["FL110", True, True]


def test_two_processes_do_not_write_to_one_journal(path: Path):
    with open_journal(path, IDENTITY, Result, resume=False):
        context = multiprocessing.get_context("spawn")
        with context.Pool(1) as pool:
            assert pool.apply(code_of_refusal, (str(path),)) == "FL114"
    assert resumed(path) == {}


def code_of_refusal(path: str) -> str:
    """How a journal is refused here, in another process."""
    try:
        open_journal(path, IDENTITY, Result, resume=True)
    except JournalError as error:
        return error.code
    return f"not refused in process {os.getpid()}"
