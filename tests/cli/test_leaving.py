"""A command ends, whatever its scenario leaves behind, and no way to end it is taken for a result."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCENARIO = """
import asyncio, atexit, os, sys, threading

async def stuck():
    atexit.register(print, "the program's own last words")
    await asyncio.to_thread(threading.Event().wait)

async def fine():
    threading.Thread(target=threading.Event().wait, args=(0.1,)).start()

async def ends_the_process():
    await asyncio.sleep(1)
    os._exit(0)

async def ends_a_child():
    child = os.fork()
    if not child:
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7

async def closes_stdout():
    sys.stdout.close()

async def moves():
    os.chdir("/")
    await asyncio.sleep(1)
    raise ValueError("a name that is no text: \\udcff")
"""


def ended(folder: Path, scenario: str, verb: str = "run") -> subprocess.CompletedProcess[str]:
    (folder / "pyproject.toml").write_text("")
    (folder / "threaded.py").write_text(SCENARIO)
    command = [sys.executable, "-m", "faultloop", verb, f"threaded.py:{scenario}", "--threads", "real"]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=50, check=False)


def test_a_thread_that_never_ends_does_not_keep_the_command_from_ending(tmp_path: Path):
    done = ended(tmp_path, "stuck")
    assert done.returncode == 1
    assert "stuck deadlocks without any fault" in done.stdout
    assert "the program's own last words" in done.stdout
    assert "threads of the program had not ended: asyncio_0" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_thread_that_ends_is_waited_for(tmp_path: Path):
    done = ended(tmp_path, "fine")
    assert done.returncode == 0
    assert done.stderr == ""


@pytest.mark.parametrize("verb", ["run", "explore", "doctor"])
def test_a_program_that_ends_the_process_has_not_passed(tmp_path: Path, verb: str):
    done = ended(tmp_path, "ends_the_process", verb)
    assert done.returncode == 3
    assert done.stderr.startswith(
        "faultloop: the program ended this process, os._exit(0), before anything could be said"
    )
    assert done.stderr.endswith("[FL115]\n")


def test_a_child_that_the_program_forks_ends_as_it_wants_to(tmp_path: Path):
    done = ended(tmp_path, "ends_a_child")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_program_that_closes_standard_output_is_told_so_and_no_bug_is_admitted(tmp_path: Path):
    done = ended(tmp_path, "closes_stdout")
    assert done.returncode == 3
    assert done.stderr == "faultloop: the program closed standard output, so its result cannot be told. [FL110]\n"


def test_what_to_type_next_is_right_where_the_command_was_typed_and_an_error_need_not_be_unicode(tmp_path: Path):
    done = ended(tmp_path, "moves")
    assert (done.returncode, done.stderr) == (1, "")
    assert "ValueError: a name that is no text: \\udcff" in done.stdout
    assert "python -m faultloop replay .faultloop/threaded-moves-run.trace.json" in done.stdout
