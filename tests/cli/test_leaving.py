"""A command ends, whatever threads its scenario has left behind."""

import os
import subprocess
import sys
from pathlib import Path

SCENARIO = """
import asyncio, atexit, threading

async def stuck():
    atexit.register(print, "the program's own last words")
    await asyncio.to_thread(threading.Event().wait)

async def fine():
    threading.Thread(target=threading.Event().wait, args=(0.1,)).start()
"""


def ended(folder: Path, scenario: str) -> subprocess.CompletedProcess[str]:
    (folder / "pyproject.toml").write_text("")
    (folder / "threaded.py").write_text(SCENARIO)
    command = [sys.executable, "-m", "faultloop", "run", f"threaded.py:{scenario}", "--threads", "real"]
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
