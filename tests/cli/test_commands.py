"""What each command says and which exit code it gives."""

import json
import shutil
from pathlib import Path

import msgspec
import pytest

from faultloop.search.tracefile import load_trace, save_trace
from tests.cli.conftest import LOST, Shell

RUN_TRACE = ".faultloop/scenes-pool_is_whole-run.trace.json"


# run


def test_a_run_that_passes_is_0_and_leaves_no_trace(shell: Shell):
    said = shell("run", "scenes.py:fine")
    assert said.code == 0
    assert said.out.startswith("fine passed.\n")
    assert "1.000 s virtual" in said.out
    assert not (shell.root / ".faultloop").exists()


def test_a_run_that_fails_is_1_and_tells_how_to_replay_it(shell: Shell):
    said = shell("run", "scenes.py:pool_is_whole", "--fault", LOST)
    assert said.code == 1
    assert said.out.startswith("Cancelling worker-2 at one await breaks pool_is_whole.")
    assert f"replay     python -m faultloop replay {RUN_TRACE}" in said.out
    assert f"check fix  python -m faultloop replay --follow faults {RUN_TRACE}" in said.out
    assert "replayed once, with the same digest" in said.out
    assert (shell.root / ".faultloop" / ".gitignore").read_text(encoding="utf-8") == "*\n"
    assert load_trace(shell.root / RUN_TRACE).target.ref == "scenes.py:pool_is_whole"


@pytest.mark.parametrize(("scene", "status"), [("broken", "crashed"), ("stuck", "deadlocked")])
def test_a_scenario_that_fails_by_itself_is_1(shell: Shell, scene: str, status: str):
    said = shell("run", f"scenes.py:{scene}", "--json", "-")
    assert said.code == 1
    assert said.json["status"] == status
    assert "without any fault" in said.err


def test_a_fault_that_never_lands_is_3(shell: Shell):
    said = shell("run", "scenes.py:pool_is_whole", "--fault", "cancel worker-9 @ Pool.acquire")
    assert said.code == 3
    assert "never landed: cannot tell" in said.out
    assert '"cancel worker-9 @ Pool.acquire #1 parked" was never reached' in said.err
    assert "[FL501]" in said.err


def test_a_run_over_its_limit_is_3(shell: Shell):
    assert shell("run", "scenes.py:fine", "--limit", "virtual_seconds=0.5").code == 3


def test_out_keeps_the_trace_of_any_run(shell: Shell):
    assert shell("run", "scenes.py:fine", "--out", "kept.json", "--seed", "7", "--order", "any").code == 0
    trace = load_trace("kept.json")
    assert (trace.seed, trace.order) == (7, "any")


def test_json_on_stdout_is_nothing_but_json(shell: Shell):
    said = shell("run", "scenes.py:prints", "--json", "-")
    assert said.json == {
        "status": "passed",
        "message": "",
        "raised": None,
        "findings": [],
        "virtual_time": 0.5,
        "steps": said.json["steps"],
        "digest": said.json["digest"],
        "trace": None,
        "not_reached": [],
        "best_effort": "",
    }
    assert "from the program" in said.err


def test_json_in_a_file_leaves_stdout_to_people(shell: Shell):
    said = shell("run", "scenes.py:prints", "--json", "r.json")
    assert json.loads(Path("r.json").read_text(encoding="utf-8"))["status"] == "passed"
    assert "from the program" in said.out
    assert "prints passed." in said.out


def test_quiet_is_quiet(shell: Shell):
    assert shell("run", "-q", "scenes.py:fine").out == ""


def test_verbose_shows_the_programs_own_traceback(shell: Shell):
    said = shell("run", "-v", "scenes.py:broken")
    assert 'raise ValueError("as always")' in said.err


# replay


@pytest.fixture
def lost(shell: Shell) -> str:
    """The trace of the run that loses its slot."""
    assert shell("run", "scenes.py:pool_is_whole", "--fault", LOST).code == 1
    return RUN_TRACE


def test_a_replay_that_reproduces_is_1(shell: Shell, lost: str):
    said = shell("replay", lost, "--json", "r.json")
    assert said.code == 1
    assert "replayed with the same digest" in said.out
    result = json.loads(Path("r.json").read_text(encoding="utf-8"))
    assert (result["same_digest"], result["divergence"], result["trace"]) == (True, None, lost)


def test_without_an_argument_the_newest_trace_is_replayed(shell: Shell, lost: str):
    assert shell("replay").code == 1
    (shell.root / lost).unlink()
    said = shell("replay")
    assert (said.code, "there is no trace to replay" in said.err) == (2, True)


def test_a_replay_of_a_run_that_passed_is_0(shell: Shell):
    shell("run", "scenes.py:fine", "--out", "kept.json")
    assert shell("replay", "kept.json").code == 0


@pytest.fixture
def fixed(shell: Shell, lost: str) -> str:
    """The trace, after the worker learned to give its slot back."""
    import sys

    text = (shell.root / "scenes.py").read_text(encoding="utf-8")
    careful = (
        "        try:\n            await slot\n"
        "        except BaseException:\n            self.release()\n            raise\n"
    )
    mended = text.replace("        await slot\n", careful)
    assert mended != text
    (shell.root / "scenes.py").write_text(mended, encoding="utf-8")
    sys.modules.pop("scenes", None)
    return lost


def test_a_replay_that_takes_another_way_is_3_and_says_where(shell: Shell, fixed: str):
    said = shell("replay", fixed)
    assert said.code == 3
    assert "[FL201]" in said.out
    assert "the scenario's file changed since the recording" in said.out
    assert "  expected   " in said.out
    assert "  got        " in said.out


def test_following_the_faults_shows_that_a_fix_holds(shell: Shell, fixed: str):
    said = shell("replay", "--follow", "faults", fixed)
    assert "the same faults no longer break it" in said.out
    assert said.code == 0


def test_following_the_faults_of_an_unmended_program_is_1(shell: Shell, lost: str):
    said = shell("replay", "--follow", "faults", lost)
    assert (said.code, "the same faults still break it" in said.out) == (1, True)


def test_following_faults_that_are_nowhere_reached_is_3(shell: Shell, lost: str):
    trace = load_trace(lost)
    other = msgspec.structs.replace(trace.target, ref="scenes.py:fine")
    save_trace(msgspec.structs.replace(trace, target=other), "other.json")
    said = shell("replay", "--follow", "faults", "other.json")
    assert (said.code, "cannot tell" in said.out) == (3, True)


def test_another_python_is_a_warning(shell: Shell, lost: str):
    trace = load_trace(lost)
    save_trace(msgspec.structs.replace(trace, env=msgspec.structs.replace(trace.env, python="3.99.1")), "other.json")
    said = shell("replay", "other.json")
    assert said.code == 1
    assert "was recorded on cpython 3.99.1" in said.err
    assert "[FL105]" in said.err


def test_a_trace_cannot_name_what_is_outside_unless_that_is_allowed(shell: Shell, lost: str):
    (shell.root.parent / "victim.py").write_text("async def main(): ...\n", encoding="utf-8")
    trace = load_trace(lost)
    for ref in ("../victim.py:main", str(shell.root.parent / "victim.py") + ":main"):
        save_trace(msgspec.structs.replace(trace, target=msgspec.structs.replace(trace.target, ref=ref)), "evil.json")
        said = shell("replay", "evil.json")
        assert (said.code, "[FL106]" in said.err, "--allow-import" in said.err) == (2, True, True)
        assert shell("replay", "--follow", "faults", "--allow-import", "evil.json").code == 3


def test_where_a_trace_lies_names_its_project_only_around_here(
    shell: Shell, lost: str, monkeypatch: pytest.MonkeyPatch
):
    """From a package below, which looks like a root of its own, it is the project's; from elsewhere it is not.

    In a folder that somebody unpacked, and nothing marks, it is of the project around.
    """
    below, elsewhere = shell.root / "package", shell.root.parent / "elsewhere"
    unpacked = shell.root / "artifacts" / lost
    unpacked.parent.mkdir(parents=True)
    shutil.copy(lost, unpacked)
    assert shell("replay", unpacked).code == 1
    for folder in (below, elsewhere):
        folder.mkdir()
        (folder / "pyproject.toml").touch()
    monkeypatch.chdir(below)
    assert shell("replay", f"../{lost}").code == 1
    monkeypatch.chdir(elsewhere)
    said = shell("replay", f"../project/{lost}")
    assert (said.code, f"there is no such file in {elsewhere}" in said.err) == (2, True)


def test_a_trace_without_a_name_for_its_scenario_says_what_to_do(shell: Shell, lost: str):
    trace = load_trace(lost)
    save_trace(msgspec.structs.replace(trace, target=msgspec.structs.replace(trace.target, ref="")), "nameless.json")
    said = shell("replay", "nameless.json")
    assert (said.code, "names no scenario" in said.err) == (2, True)


# show, diff, schema, doctor


def test_show_runs_nothing(shell: Shell, lost: str):
    (shell.root / "scenes.py").write_text("raise SystemError\n", encoding="utf-8")
    said = shell("show", lost, "--task", "worker-2")
    assert said.code == 0
    assert "✗ cancel (faultloop)" in said.out
    assert "waits Pool.acquire #1  scenes.py:" in said.out


def test_show_takes_the_newest_trace_unless_one_is_named(shell: Shell, lost: str):
    assert shell("show").out == shell("show", lost).out


def test_show_hands_the_events_it_shows_to_a_machine(shell: Shell, lost: str):
    said = shell("show", lost, "--task", "worker-2", "--json", "-")
    shown = said.json["shown"]
    assert {event["task"] for event in shown} == {"worker-2"}
    assert len(shown) < said.json["events"]
    cancelled = next(event for event in shown if event["event"] == "fault")
    assert (cancelled["what"], cancelled["virtual_ns"]) == ("✗ cancel (faultloop)", 100_000_000)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["--task", "nobody"], 'no task matches "nobody". Tasks of this trace: pool_is_whole, worker-1, worker-2.'),
        (["--around", "900"], "no event is within 10 of step 900: its steps are 0 to "),
        (["--around", "-99"], "no event is within 10 of step -99: its steps are 0 to "),
        (["--task", "worker-2", "--around", "900"], "no event of these tasks is within 10 of step 900"),
    ],
    ids=["a task", "a step", "a step below", "both"],
)
def test_what_a_trace_does_not_have_is_said(shell: Shell, lost: str, typed: list[str], said: str):
    told = shell("show", lost, *typed)
    assert (told.code, told.out) == (2, "")
    assert said in told.err


def test_diff_names_the_first_difference(shell: Shell, lost: str):
    shell("run", "scenes.py:pool_is_whole", "--out", "calm.json")
    said = shell("diff", lost, "calm.json", "--json", "d.json")
    assert said.code == 3
    assert "    left   " in said.out
    assert json.loads(Path("d.json").read_text(encoding="utf-8"))["same"] is False
    assert shell("diff", lost, lost).code == 0


def test_schema_is_json_on_stdout_or_in_a_file(shell: Shell):
    said = shell("schema")
    assert said.json["$schema"].startswith("https://json-schema.org/")
    assert shell("schema", "-o", "s.json").code == 0
    assert Path("s.json").read_text(encoding="utf-8") == said.out


def test_doctor_passes_a_deterministic_scenario(shell: Shell):
    said = shell("doctor", "scenes.py:pool_is_whole", "--json", "d.json")
    assert (said.code, "is deterministic" in said.out) == (0, True)
    assert json.loads(Path("d.json").read_text(encoding="utf-8"))["deterministic"] is True


def test_doctor_names_the_first_step_that_differs(shell: Shell):
    said = shell("doctor", "scenes.py:differs")
    assert said.code == 3
    assert "is not deterministic" in said.out
    assert "[FL202]" in said.out
    assert "first run" in said.out


# explore


def test_explore_finds_the_lost_slot_and_its_traces_replay(shell: Shell):
    said = shell("explore", "scenes.py:pool_is_whole", "--tasks", "worker-2", "--json", "-", "--out", "found")
    assert said.code == 1
    result = said.json
    assert {"status", "runs", "seconds", "points", "first_failure_run", "failures", "coverage"} <= set(result)
    assert result["status"] == "violated"
    assert 0 < result["coverage"]["points_tried"] <= result["coverage"]["points"] == result["points"]
    woken = [failure for failure in result["failures"] if failure["fault"].endswith("woken")]
    assert woken
    assert set(woken[0]) >= {"trace", "kind", "message", "deviations", "order"}
    for failure in result["failures"]:
        assert shell("replay", failure["trace"]).code == 1
    assert "different failure" in said.err or "1 failure" in said.err


def test_explore_says_whom_the_faults_hit_where_nobody_was_named(shell: Shell):
    said = shell("explore", "scenes.py:two_are_needed", "--out", "found")
    assert said.code == 1
    assert "  hit        reader in 1, writer in 1; --tasks NAME hits that one alone" in said.out.splitlines()
    named = shell("explore", "scenes.py:two_are_needed", "--tasks", "*er", "--out", "named")
    assert "2 different failures" in named.out
    assert "  hit  " not in named.out


def test_explore_of_what_withstands_is_0(shell: Shell):
    said = shell("explore", "scenes.py:fine", "--faults", "delay:2s")
    assert (said.code, "nothing found in what was tried" in said.out) == (0, True)


def test_explore_of_what_fails_anyway_says_so(shell: Shell):
    said = shell("explore", "scenes.py:broken")
    assert said.code == 1
    assert "because    the scenario fails without any fault" in said.out


def test_explore_of_what_is_not_deterministic_is_3(shell: Shell):
    said = shell("explore", "scenes.py:differs")
    assert (said.code, "cannot tell" in said.out) == (3, True)


def test_explore_of_tasks_that_nobody_is_called_is_3_and_names_those_there_are(shell: Shell):
    said = shell("explore", "scenes.py:two_are_needed", "--tasks", "readr")
    assert said.code == 3
    assert 'called "readr"; there are two_are_needed, reader, writer' in " ".join(said.out.split())


def test_an_error_that_the_program_does_not_have_is_2(shell: Shell):
    said = shell("explore", "scenes.py:fine", "--faults", "fail:NoSuchError")
    assert (said.code, '"NoSuchError" is not an exception' in said.err, "[FL504]" in said.err) == (2, True, True)


def test_what_a_check_counts_for_is_part_of_the_trace(shell: Shell):
    (shell.root / "leak.py").write_text(
        "import asyncio\n"
        "async def leaky():\n"
        "    asyncio.create_task(asyncio.sleep(100), name='left')\n"
        "    await asyncio.sleep(1)\n",
        encoding="utf-8",
    )
    assert shell("run", "leak.py:leaky").code == 0
    assert shell("run", "leak.py:leaky", "--check", "leaked-tasks=violation", "--out", "t.json").code == 1
    assert shell("replay", "t.json").code == 1


@pytest.mark.parametrize("given", ["leaked_tasks", "leaked=note", "leaked_tasks=bad"])
def test_a_check_that_cannot_be_set_is_complained_of(shell: Shell, given: str):
    said = shell("run", "scenes.py:fine", "--check", given)
    assert said.code == 2
    assert "[FL" in said.err
