"""Trace files: read with distrust, written whole, small and easy to compare."""

import json
import os
import stat
from pathlib import Path

import msgspec
import pytest
from hypothesis import given

from faultloop.errors import TraceError
from faultloop.model.outcome import Outcome, Status
from faultloop.model.points import Site
from faultloop.model.trace import Choices, Environment, Event, Stats, TaskEntry, Trace
from faultloop.search import tracefile
from faultloop.search.tracefile import (
    decode_trace,
    encode_trace,
    load_trace,
    newest_trace,
    save_trace,
    trace_schema,
    write_atomically,
)
from tests.model.strategies import PROPERTY, traces

GOOD = Trace(
    env=Environment(python="3.11.7", hashseed="0"),
    outcome=Outcome(Status.PASSED),
    tasks=(TaskEntry("main"),),
    sites=(Site("main", "sleep", "app.py", 3),),
    events=(Event(0, 0, "spawn", 0), Event(1, 0, "await", 0, site=0, nth=1), Event(2, 5, "end", 0)),
)


def good(**other: object) -> bytes:
    """A good file with some keys of another value."""
    return json.dumps({**json.loads(encode_trace(GOOD)), **other}).encode()


def refused(path: Path) -> TraceError:
    with pytest.raises(TraceError) as caught:
        load_trace(path)
    return caught.value


# Reading back


@PROPERTY
@given(traces())
def test_what_is_written_reads_back_the_same(trace: Trace):
    assert decode_trace(encode_trace(trace)) == trace


@PROPERTY
@given(traces())
def test_the_same_trace_is_the_same_bytes(trace: Trace):
    data = encode_trace(trace)
    assert encode_trace(decode_trace(data)) == data


@PROPERTY
@given(traces())
def test_a_file_is_plain_json_of_lines(trace: Trace):
    data = encode_trace(trace)
    builtins = json.loads(msgspec.json.encode(trace))
    assert json.loads(data) == {key: value for key, value in builtins.items() if (key, value) != ("seed", None)}
    assert data.endswith(b"}\n")
    assert data.startswith(b'{\n"format": "faultloop-trace",\n"version": 1,\n')


def test_one_event_is_one_line():
    before = encode_trace(GOOD).splitlines()
    after = encode_trace(msgspec.structs.replace(GOOD, events=(*GOOD.events, Event(3, 9, "note", 0)))).splitlines()
    assert len(set(after) - set(before)) <= 2  # the new line, and a comma on the one before it


def test_a_byte_order_mark_is_forgiven():
    assert decode_trace(b"\xef\xbb\xbf" + encode_trace(GOOD)) == GOOD


def test_unknown_keys_are_ignored():
    assert decode_trace(good(colour="blue", nested={"a": [1]})) == GOOD


# Size


def test_a_sparse_trace_is_under_2_kb_and_12_bytes_a_deviation():
    picks = tuple((index * 37, 1, 3) for index in range(200))
    sparse = msgspec.structs.replace(GOOD, events=(), choices=Choices(count=9_000, picks=picks))
    assert len(encode_trace(sparse)) < 2_048 + 12 * sparse.deviations


def test_an_event_is_under_120_bytes():
    events = tuple(Event(n, n * 10**9, "await", 0, by=0, site=0, nth=n, text="cancelled") for n in range(10_000))
    full = msgspec.structs.replace(GOOD, events=events)
    assert len(encode_trace(full)) - len(encode_trace(GOOD)) < 120 * len(events)


def test_past_the_limit_events_go_and_answers_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tracefile, "WRITTEN_BYTES_MAX", 2_000_000)
    picks = tuple((index, 1, 3) for index in range(5_000))
    events = tuple(Event(n, n, "wake", 0) for n in range(60_000))
    big = msgspec.structs.replace(
        GOOD, events=events, choices=Choices(5_000, picks), stats=Stats(steps=60_000, events_dropped=7)
    )
    written = save_trace(big, tmp_path / "t.json")
    again = load_trace(tmp_path / "t.json")
    assert again == written
    assert again.choices == big.choices
    assert len(again.events) == 21_000
    assert (again.events[:1_000], again.events[1_000:]) == (events[:1_000], events[40_000:])
    assert again.stats.events_dropped == 7 + 39_000


def test_far_past_the_limit_all_events_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tracefile, "WRITTEN_BYTES_MAX", 100)
    save_trace(GOOD, tmp_path / "t.json")
    again = load_trace(tmp_path / "t.json")
    assert (again.events, again.stats.events_dropped) == ((), 3)


def test_what_nobody_could_read_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tracefile, "WRITTEN_BYTES_MAX", 100)
    monkeypatch.setattr(tracefile, "READ_BYTES_MAX", 100)
    with pytest.raises(TraceError, match="nobody could read it") as caught:
        save_trace(GOOD, tmp_path / "t.json")
    assert caught.value.code == "FL108"
    assert list(tmp_path.iterdir()) == []


# Bad input


@pytest.mark.parametrize(
    ("data", "code", "said"),
    [
        (b"", "FL101", "it is empty"),
        (b" \n\t ", "FL101", "it is empty"),
        (b"\x00" * 4096, "FL101", "it is not JSON"),
        (b"\x80\x04\x95pickle", "FL101", "byte 0 is not UTF-8"),
        (b"hello", "FL101", "it is not JSON"),
        (b"[1, 2]", "FL101", "not a JSON object"),
        (b'"text"', "FL101", "not a JSON object"),
        (b"{}", "FL101", '"format" is missing'),
        (b'{"format": "chrome"}', "FL101", '"format" is not "faultloop-trace"'),
        (b'{"format": ["faultloop-trace"]}', "FL101", '"format" is not "faultloop-trace"'),
        (good(version=2), "FL102", "trace version 2; this faultloop reads 1 to 1. Upgrade"),
        (good(version=10**3000), "FL102", "in the far future"),
        (b'{"format": "faultloop-trace", "version": 9, "env": "changed its type"}', "FL102", "trace version 9"),
        (encode_trace(GOOD)[:200], "FL103", "cut off at byte 200"),
        (encode_trace(GOOD)[:-2], "FL103", "cut off at byte"),
        (good(digest="é").replace(b"\\u00e9", "é".encode())[:-3], "FL103", "cut off"),
        (good() + b"{}", "FL101", "trailing characters"),
        (good(digest="\x00").replace(b"\\u0000", b"\xff"), "FL101", "is not UTF-8"),
        (good(format="faultloop-trace", env=3), "FL109", "env: Expected `object`, got `int`"),
        (good(env={}), "FL109", "env: Object missing required field `python`"),
        (good(version=0), "FL109", "version: Expected `int` >= 1"),
        (good(version=True), "FL109", "version: Expected `int`"),
        (good(order="lifo"), "FL109", "order: Invalid enum value 'lifo'"),
        (good(threads="many"), "FL109", "threads: Invalid enum value 'many'"),
        (good(seed=1.5), "FL109", "seed: Expected `int | null`, got `float`"),
        (good(seed=10**30), "FL109", "seed: is out of range"),
        (good(faults=[{"fault": {"kind": "explode"}, "at": {}}]), "FL109", "faults[0].fault.kind: Invalid value"),
        (good(faults=[{"fault": {"kind": "cancel"}, "at": {"task": 7}}]), "FL109", "faults[0].at.task: Expected `str`"),
        (good(choices={"count": -1}), "FL109", "choices.count: Expected `int` >= 0"),
        (good(choices={"count": 3, "picks": [[9, 1, 2]]}), "FL109", "choices: pick (9, 1, 2) is out of order"),
        (good(limits={"steps": 0}), "FL109", "limits: limit steps must be more than 0"),
        (good(limits={"stepz": 1}), "FL109", "limits: Object contains unknown field `stepz`"),
        (good(limits={"virtual_seconds": 1e300}), "FL109", "limits.virtual_seconds: is out of range"),
        (good(limits={"steps": 10**40}), "FL109", "limits.steps: is out of range"),
        (good(stats={"steps": -1}), "FL109", "stats.steps: expected 0 to"),
        (good(env={"python": "3", "hashseed": "abc"}), "FL109", "env.hashseed: expected «random» or 0 to"),
        (good(env={"python": "3", "hashseed": "4294967296"}), "FL109", "env.hashseed"),
        (good(events=[{"step": 1, "t": 0, "ev": "explode"}]), "FL109", "events[0].ev: Invalid enum value"),
        (
            good(events=[{"step": 1, "t": 0, "ev": "end", "task": 1}]),
            "FL109",
            "events[0].task: expected -1 to 0, got 1",
        ),
        (good(events=[{"step": 1, "t": 0, "ev": "end", "task": -2}]), "FL109", "events[0].task: expected -1 to 0"),
        (good(events=[{"step": 1, "t": 0, "ev": "wake", "by": 5}]), "FL109", "events[0].by: expected -1 to 0, got 5"),
        (
            good(events=[{"step": 1, "t": 0, "ev": "await", "site": 9}]),
            "FL109",
            "events[0].site: expected -1 to 0, got 9",
        ),
        (good(events=[{"step": 1, "t": 0, "ev": "await", "site": 10**50}]), "FL109", "a number of many digits"),
        (good(events=[{"step": -1, "t": 0, "ev": "end"}]), "FL109", "events[0]: step, t or nth is out of range"),
        (good(events=[{"step": 1, "t": 2**70, "ev": "end"}]), "FL109", "events[0]: step, t or nth is out of range"),
        (good(seed=0).replace(b'"seed": 0', b'"seed": NaN'), "FL101", "it is not JSON"),
        (good(seed=0).replace(b'"seed": 0', b'"seed": 1e999'), "FL109", "seed: Number out of range"),
        (good(seed=0).replace(b'"seed": 0', b'"seed": ' + b"9" * 6000), "FL109", "seed: Integer value out of range"),
        (good(x=0).replace(b'"x": 0', b'"x": ' + b"[" * 200_000 + b"]" * 200_000), "FL108", "nested too deeply"),
        (b"[" * 200_000, "FL101", "not a JSON object"),
    ],
)
def test_what_is_no_trace_is_refused_in_a_sentence(tmp_path: Path, data: bytes, code: str, said: str):
    path = tmp_path / "t.json"
    path.write_bytes(data)
    error = refused(path)
    assert said in str(error)
    assert error.code == code
    assert str(path) in str(error)
    assert "\n" not in str(error)


FAULT = {"fault": {"kind": "cancel"}, "at": {"task": "w", "where": "f"}}


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ({"nth": 0}, "faults[0].at.nth: expected 1 to"),
        ({"phase": "racing"}, "faults[0].at.racing: is there if, and only if"),
        ({"racing": {"task": "v", "where": "g"}}, "faults[0].at.racing: is there if, and only if"),
        ({"phase": "racing", "racing": {"task": "v", "where": "g", "nth": -1}}, "faults[0].at.racing.nth: expected 1"),
    ],
)
def test_an_address_that_cannot_be_is_refused(at: dict[str, object], said: str):
    fault = {**FAULT, "at": {"task": "w", "where": "f", **at}}
    with pytest.raises(TraceError) as caught:
        decode_trace(good(faults=[fault]))
    assert said in str(caught.value)


def test_a_delivered_fault_that_was_not_planned_is_refused():
    point = {"task": "w", "function": "f", "awaited": "g", "nth": 1}
    with pytest.raises(TraceError, match=r"delivered\[0\]\.plan: there is none, got 0"):
        decode_trace(good(delivered=[{"plan": 0, "point": point, "step": 1, "t": 0}]))


def test_a_missing_file_and_a_directory_are_refused(tmp_path: Path):
    assert "there is no such file. [FL107]" in str(refused(tmp_path / "none.json"))
    assert "is a directory, not a trace file. [FL107]" in str(refused(tmp_path))


def test_a_name_that_no_file_can_have_is_refused():
    assert refused(Path("a\0b")).code == "FL107"
    assert refused(Path("x" * 5000)).code == "FL107"


def test_a_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    assert "is not a regular file" in str(refused(tmp_path / "pipe"))


def test_an_unreadable_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    # The administrator may read anything, so the refusal of the system is made up here.
    def deny(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", deny)
    assert "cannot be read: Permission denied. [FL107]" in str(refused(tmp_path / "t.json"))


def test_a_gigabyte_of_zeros_is_refused_without_being_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with open(tmp_path / "zeros", "wb") as file:
        file.truncate(1 << 30)

    def read_nothing(*_: object) -> object:
        raise AssertionError("it was opened for reading")

    assert "1,073,741,824 bytes is more than a trace can be" in str(refused(tmp_path / "zeros"))
    monkeypatch.setattr(tracefile, "decode_trace", read_nothing)
    assert refused(tmp_path / "zeros").code == "FL108"


# Writing


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "t.json"
    save_trace(GOOD, path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TraceError, match="cannot be written: No space left on device"):
        save_trace(msgspec.structs.replace(GOOD, digest="new"), path)
    assert load_trace(path) == GOOD
    assert list(tmp_path.iterdir()) == [path]


def test_writing_goes_through_a_link_and_keeps_it(tmp_path: Path):
    (tmp_path / "link").symlink_to(tmp_path / "real.json")
    save_trace(GOOD, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert load_trace(tmp_path / "real.json") == GOOD


def test_a_device_is_written_to_and_never_replaced(tmp_path: Path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_atomically(pipe, b"x")
        assert os.read(reader, 10) == b"x"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize("name", ["no/such/folder/t.json", "folder"])
def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, name: str):
    (tmp_path / "folder").mkdir()
    with pytest.raises(TraceError) as caught:
        save_trace(GOOD, tmp_path / name)
    assert caught.value.code == "FL110"


def test_a_name_that_is_not_unicode_is_refused_before_writing(tmp_path: Path):
    broken = msgspec.structs.replace(GOOD, tasks=(TaskEntry("w\udcff"),))
    with pytest.raises(TraceError, match="not Unicode"):
        save_trace(broken, tmp_path / "t.json")
    assert list(tmp_path.iterdir()) == []


# The newest


def test_the_newest_trace_is_the_one_written_last(tmp_path: Path):
    for age, name in enumerate(["b.trace.json", "a.trace.json", "c.trace.json"]):
        save_trace(GOOD, tmp_path / name)
        os.utime(tmp_path / name, ns=(0, 10**9 * (100 - age)))
    (tmp_path / "result.json").write_text('{"status": "violated"}', encoding="utf-8")
    (tmp_path / "folder.json").mkdir()
    assert newest_trace(tmp_path) == tmp_path / "b.trace.json"


def test_no_trace_at_all_is_said_with_what_to_do(tmp_path: Path):
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(TraceError, match=r"there is no trace to replay.*explore TARGET"):
            newest_trace(folder)


# The schema


def test_the_stored_schema_is_current():
    from faultloop.cli.reading import schema_text

    stored = Path(tracefile.__file__).parents[1] / "model" / "trace.schema.json"
    assert stored.read_text(encoding="utf-8") == schema_text(), "write it again: make docs"


def test_the_schema_knows_every_key_of_a_file():
    schema = json.loads(json.dumps(trace_schema()))
    assert set(json.loads(encode_trace(msgspec.structs.replace(GOOD, seed=1)))) == set(
        schema["$defs"]["Trace"]["properties"]
    )
