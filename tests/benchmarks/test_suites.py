"""The comparison with suites of others says what differs, and is the one that the docs tell of."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.suites import run as suites
from benchmarks.suites.run import HERE, ROOT, SUITES, Suite, Tests

pytest_plugins = ["pytester"]


def known(verdict: str, **more: Any) -> dict[str, Any]:
    return {"verdict": verdict, "says": "", "traces": [], "summary": "", "is_ours": True, **more}


def told(monkeypatch: pytest.MonkeyPatch, *sessions: Tests) -> None:
    """Have sessions of pytest come to this, one after the other."""
    left = list(sessions)
    monkeypatch.setattr(suites, "prepared", lambda suite: (Path(), Path()))
    monkeypatch.setattr(suites, "session", lambda *_: left.pop(0))


ONE = Suite("one", "1.0", "asyncio", (), ("tests",), ("tests/test_a.py",), differs=(("test_b", "it is known"),))


def test_a_verdict_that_differs_is_amiss_unless_its_reason_is_known(monkeypatch: pytest.MonkeyPatch):
    plain = {"test_a": known("passed"), "test_b": known("passed"), "test_c": known("passed", is_ours=False)}
    told(monkeypatch, plain, {**plain, "test_b": known("failed")})
    assert suites.calm(ONE) == ("| one 1.0 | asyncio | 3 | 2 | 2 |", [])
    told(monkeypatch, plain, {"test_a": known("failed"), "test_b": known("passed")})
    assert suites.calm(ONE) == ("| one 1.0 | asyncio | 3 | 2 | 1 |", ["one: test_a", "one: test_c"])


def test_a_trace_that_does_not_replay_is_amiss(monkeypatch: pytest.MonkeyPatch):
    found = {
        "test_a": known("failed", traces=["a", "b"]),
        "test_b": known("failed"),
        "test_c": known("passed"),
        "test_d": known("passed", summary="cannot tell: why"),
        "test_e": known("passed", is_ours=False),
    }
    told(monkeypatch, found)
    monkeypatch.setattr(suites, "_replayed", lambda source, python, trace: "b diverged" if trace == "b" else "")
    assert suites.explored(ONE, "2s") == ("| one 1.0, test_a | 4 | 1 | 1 | 1 | 1 | 1 of 2 |", ["one: b diverged"])


def test_the_recorder_writes_each_verdict_and_who_ran_the_test(pytester: pytest.Pytester, monkeypatch: Any):
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    pytester.makepyfile(
        "import asyncio, pytest\n"
        "async def test_ours(): await asyncio.sleep(1)\n"
        "def test_sync(): pass\n"
        "@pytest.mark.xfail\nasync def test_expected(): assert 0\n"
        "@pytest.fixture\ndef broken():\n    yield\n    assert 0\n"
        "async def test_broken(broken): pass\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    pytester.runpytest_subprocess("-p", "recorder", "--record", "out.json", "--faultloop=run", "--asyncio-mode=auto")
    record: Tests = json.loads((pytester.path / "out.json").read_text(encoding="utf-8"))
    assert {name.rpartition("::")[2]: (test["verdict"], test["is_ours"]) for name, test in record.items()} == {
        "test_ours": ("passed", True),
        "test_sync": ("passed", False),
        "test_expected": ("xfailed", True),
        "test_broken": ("error", True),
    }


def test_the_docs_tell_of_the_releases_that_are_run():
    text = (ROOT / "docs" / "compatibility.md").read_text(encoding="utf-8")
    assert [suite.name for suite in SUITES if f"| {suite.name} {suite.release}" not in text] == []
