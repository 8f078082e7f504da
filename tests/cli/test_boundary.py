"""The edge: every mistake is a sentence with a code and exit code 2, and never a traceback of ours."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from faultloop.cli import main, restart
from faultloop.search.tracefile import load_trace
from tests.cli.conftest import LOST, Shell

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name a command: run, explore, replay"),
        (["fly"], "invalid choice: 'fly'"),
        (["run"], "the following arguments are required: TARGET"),
        (["run", "scenes.py:fine", "--order", "lifo"], "invalid choice: 'lifo'"),
        (["run", "scenes.py:fine", "--seed", "x"], "invalid"),
        (["run", "scenes.py:fine", "--seed", str(2**63)], "a seed is a number from 0 to 2**63 - 1"),
        (["run", "scenes.py:fine", "--what"], "unrecognized arguments: --what"),
        (["run", "scenes.py:fine", "--limit", "step=1"], "Did you mean steps? [FL100]"),
        (["run", "scenes.py:fine", "--limit", "steps=x"], 'steps needs a number, got "x". [FL100]'),
        (["run", "scenes.py:fine", "--limit", "steps=0"], "limit steps must be more than 0, got 0. [FL100]"),
        (["run", "scenes.py:fine", "--fault", "cancel w"], "[FL500]\n  cancel w\n          ^"),
        (["run", "scenes.py:fine", "--fault", "fail:NoSuchError w @ f"], "NoSuchError"),
        (["run", "scenes.py:fine", "--driver", "curio"], "--driver"),
        (["run", "scenes.py:fine", "--root", "nowhere"], '--root "nowhere": there is no such directory'),
        (["run", "scenes.py:fine", "--out", "no/such/t.json"], "cannot be written: No such file or directory. [FL110]"),
        (
            ["run", "scenes.py:fine", "--json", "no/such/r.json"],
            "cannot be written: No such file or directory. [FL110]",
        ),
        (["run", "scenes.py:fien"], 'Did you mean "fine"?'),
        (["run", "none.py:main"], "there is no such file in"),
        (["run", "scenes.py"], "names no function. It has"),
        (["explore", "scenes.py:fine", "--faults", ""], "--faults: name at least one of"),
        (["explore", "scenes.py:fine", "--faults", "cancel,boom"], "expected a fault"),
        (["replay", "none.json"], "none.json: there is no such file. [FL107]"),
        (["replay", "."], ".: is a directory, not a trace file. [FL107]"),
        (["replay", "scenes.py"], "not a faultloop trace: it is not JSON"),
        (["show", "none.json"], "there is no such file. [FL107]"),
        (["diff", "none.json", "none.json"], "there is no such file. [FL107]"),
    ],
)
def test_a_mistake_is_a_sentence_and_exit_code_2(shell: Shell, arguments: list[str], said: str):
    result = shell(*arguments)
    assert said in result.err
    assert result.err.startswith("faultloop: ")
    assert result.code == 2
    assert result.out == ""


def test_help_and_version_are_0(shell: Shell):
    assert "Exit codes: 0 nothing found" in shell("--help").out
    assert shell("explore", "--help").code == 0
    assert shell("--version").out.startswith("faultloop ")


def test_an_error_of_ours_is_admitted_in_a_sentence(shell: Shell, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object) -> None:
        raise ZeroDivisionError("not the user's fault\nsecond line")

    monkeypatch.setattr("faultloop.cli.reading.load_trace", fail)
    said = shell("show", "t.json")
    assert said.code == 70
    assert "this is a bug in faultloop, not in your program: ZeroDivisionError: not the user's fault. Run" in said.err
    assert "Traceback" in shell("show", "-v", "t.json").err


def test_an_interrupt_is_130(shell: Shell, monkeypatch: pytest.MonkeyPatch):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("faultloop.cli.reading.load_trace", interrupt)
    said = shell("show", "t.json")
    assert (said.code, said.err) == (130, "faultloop: interrupted.\n")


def test_a_call_with_arguments_never_restarts_the_process(shell: Shell, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        raise AssertionError("restarted")

    monkeypatch.setenv("PYTHONHASHSEED", "17")
    monkeypatch.setattr(os, "execve", refuse)
    shell("run", "scenes.py:fine", "--out", "t.json")
    monkeypatch.setenv("PYTHONHASHSEED", "18")
    said = shell("replay", "t.json")
    assert "recorded under hash seed 17, not this one" in said.err


@pytest.mark.parametrize(
    ("wanted", "here", "restarts"),
    [("random", "", False), ("5", "", True), ("5", "5", False), ("5", "random", True), ("0", "0", False)],
)
def test_only_another_number_needs_a_restart(monkeypatch: pytest.MonkeyPatch, wanted: str, here: str, restarts: bool):
    monkeypatch.setenv("PYTHONHASHSEED", here)
    assert restart.needs_restart(wanted) is restarts


# As a process


def start(root: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """Start the command line as a person would."""
    keep = {name: value for name, value in os.environ.items() if name not in ("PYTHONHASHSEED", restart.MARK)}
    return subprocess.Popen(
        [sys.executable, "-m", "faultloop", *arguments],
        cwd=root,
        env={**keep, "PYTHONPATH": str(CHECKOUT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ran(root: Path, *arguments: str, **environment: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command."""
    process = start(root, *arguments, **environment)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_found_in_one_process_replayed_in_another_under_its_hash_seed(root: Path):
    code, out, err = ran(root, "run", "scenes.py:pool_is_whole", "--fault", LOST, PYTHONHASHSEED="33")
    assert (code, err) == (1, "")
    trace = root / ".faultloop" / "scenes-pool_is_whole-run.trace.json"
    assert load_trace(trace).env.hashseed == "33"
    for seed in ("0", "44", "random"):
        code, out, err = ran(root, "replay", PYTHONHASHSEED=seed)
        assert (code, err) == (1, "")
        assert "replayed with the same digest" in out


def test_without_a_hash_seed_a_run_is_recorded_under_a_fixed_one(root: Path):
    assert ran(root, "run", "scenes.py:fine", "--out", "t.json")[0] == 0
    assert load_trace(root / "t.json").env.hashseed == restart.DEFAULT_SEED


def test_a_python_that_ignores_the_hash_seed_is_not_started_for_ever(root: Path):
    code, _, err = ran(root, "run", "scenes.py:fine", **{restart.MARK: "1"})
    assert (code, "does not take the hash seed 0" in err) == (0, True)


def test_a_closed_pipe_ends_the_command_without_a_word(root: Path):
    main(["run", str(root / "scenes.py:pool_is_whole"), "--out", str(root / "t.json"), "-q"])
    process = start(root, "show", "t.json")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert (process.wait(timeout=60), err) == (141, "")


def test_ascii_terminals_get_ascii(root: Path):
    ran(root, "run", "scenes.py:pool_is_whole", "--fault", LOST)
    code, out, _ = ran(root, "replay", PYTHONIOENCODING="ascii", PYTHONHASHSEED="0")
    assert (code, out.isascii(), "x cancel (faultloop)" in out) == (1, True, True)


def test_ctrl_c_in_a_long_run_is_130(root: Path):
    (root / "long.py").write_text(
        "import os, signal, time\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a process in the background ignores it at first
        "async def main():\n    os.kill(os.getpid(), signal.SIGINT)\n    time.sleep(30)\n",
        encoding="utf-8",
    )
    code, _, err = ran(root, "run", "long.py:main")
    assert (code, err.strip().splitlines()[-1]) == (130, "faultloop: interrupted.")
    assert signal.getsignal(signal.SIGINT) is not None
