"""`aqueue work` as the program it is: real processes, real signals, both event loops."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import anyio
import pytest

from aqueue.cli.loading import on_store
from aqueue.store.base import Session
from aqueue.store.operations import Enqueue
from tests.aqueue.cli.conftest import Ask, perform, task_job

ROOT = Path(__file__).parents[3]
APP = """
import os, signal
from aqueue import Queue

q = Queue("sqlite:///jobs.db", durability="process")


@q.task()
async def stop() -> str:
    os.kill(os.getpid(), signal.SIGTERM)
    return "the last job"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An application whose one job ends its worker by a signal, so that nothing has to be waited for."""
    (tmp_path / "app.py").write_text(APP, encoding="utf-8")
    perform(tmp_path / "jobs.db", Enqueue((task_job("j", "stop"),)))
    return tmp_path


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_work_runs_a_queue_until_a_signal_and_lets_running_jobs_end(ask: Ask, folder: Path, backend: str):
    perform(folder / "jobs.db", Enqueue((task_job("j2", "gone"),)))
    options = ("--backend", backend, "--concurrency", "2", "--bury-unknown")
    ended = run(folder, sys.executable, "-m", "aqueue", "work", "app:q", *options)
    assert (ended.returncode, "Traceback" in ended.stderr) == (0, False), ended.stderr
    ready, *_, heard = ended.stderr.splitlines()
    assert "event='worker.ready'" in ready, "who starts it sees that it runs, and what it takes"
    assert "concurrency=2 tasks=('stop',)" in ready
    assert "signal='SIGTERM'" in heard
    record = ask("show", 1, "--store", f"sqlite:///{folder / 'jobs.db'}", "--json").record
    assert (record["state"], record["result"]) == ("succeeded", "the last job")
    assert (
        ask("show", 2, "--store", f"sqlite:///{folder / 'jobs.db'}", "--json").record["dead_reason"] == "unknown task"
    )


def test_the_installed_command_is_the_same_program(folder: Path):
    command = shutil.which("aqueue", path=str(Path(sys.executable).parent))
    assert command is not None
    ended = run(folder, command, "work", "app.py:nothing")
    assert (ended.returncode, ended.stderr[:13]) == (2, "aqueue: AQ061")


def test_a_store_that_cannot_be_opened_ends_work_with_a_sentence(folder: Path):
    (folder / "jobs.db").write_bytes(b"no database at all\n" * 99)
    ended = run(folder, sys.executable, "-m", "aqueue", "work", "app:q")
    assert (ended.returncode, "Traceback" in ended.stderr) == (3, False), ended.stderr
    assert "aqueue: AQ011" in ended.stderr
    assert "file is not a database" in ended.stderr


def test_a_reader_that_goes_away_is_no_error(folder: Path):
    command = f"'{sys.executable}' -m aqueue ps --store sqlite:///jobs.db; echo $? >&2"
    ended = run(folder, "bash", "-c", f"({command}) | true")
    assert ended.stderr in ("0\n", "141\n")
    assert signal.SIGPIPE + 128 == 141


def test_a_backend_that_is_not_installed_is_named_with_its_extra(
    ask: Ask, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "trio", None)
    answer = ask("work", f"{folder / 'app.py'}:q", "--backend", "trio")
    assert (answer.code, answer.out, answer.err[:13]) == (2, "", "aqueue: AQ012")
    assert "pip install 'faultloop[trio]'" in answer.err


@pytest.mark.parametrize("times", [1, 2])
def test_an_interrupted_command_does_not_wait_for_a_server_that_does_not_answer(folder: Path, times: int):
    """Somebody listens there who never says a word; the command is interrupted once it has asked."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(120)
        url = f"postgresql://user@127.0.0.1:{server.getsockname()[1]}/database?connect_timeout=600"
        command = (sys.executable, "-m", "aqueue", "ps", "--store", url)
        environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        with subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as asking:
            asked, _ = server.accept()
            for _ in range(times):
                asking.send_signal(signal.SIGINT)
            out, err = asking.communicate(timeout=120)
            asked.close()
    assert (asking.returncode, out) == (130, "")
    assert err in {"aqueue: interrupted.\n"} | ({""} if times == 2 else set())  # the second may cut the first one short


def test_a_ctrl_c_that_does_not_wake_the_event_loop_is_heard(jobs: Path):
    """As one that comes just as it falls asleep: here another thread is the one that the system interrupts."""

    main = threading.get_ident()

    def interrupt() -> None:
        while sys._current_frames()[main].f_code.co_name != "select":
            pass  # the event loop is awake
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)

    async def visit(session: Session) -> None:
        threading.Thread(target=interrupt).start()
        await anyio.sleep_forever()

    with pytest.raises(KeyboardInterrupt):
        on_store(f"sqlite:///{jobs}", visit, writes=False)
