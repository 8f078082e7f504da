"""What is claimed of every server in the care of a keeper, for the tests of each."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from tests.support.keeping import Kept
from tests.tidy.project import ROOT

_STARTER = """
import time
from {module} import kept_server
with kept_server() as server:
    print(server.port, server.folder, flush=True)
    time.sleep(600)
"""


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as asked:
        return asked.connect_ex(("127.0.0.1", port)) == 0


def assert_two_leave_nothing(kept_server: Callable[[], AbstractContextManager[Kept]]) -> None:
    """Servers live beside each other, and nothing is left of them."""
    with kept_server() as one, kept_server() as other:
        assert one.port != other.port
        for server in (one, other):
            assert answers(server.port)
            assert server.folder.is_dir()
    for server in (one, other):
        assert not answers(server.port)
        assert not server.folder.exists()


def assert_it_goes_with_who_is_killed(module: str) -> None:
    """A server of this module goes with the process that asked for it."""
    with subprocess.Popen(
        [sys.executable, "-c", _STARTER.format(module=module)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as starter:
        assert starter.stdout is not None
        assert starter.stderr is not None
        port, folder = starter.stdout.readline().split()
        assert answers(int(port))
        starter.send_signal(signal.SIGKILL)
        starter.wait()
        assert starter.stderr.read() == ""  # until its end: the keeper had it as well, and has ended
    assert not answers(int(port))
    assert not Path(folder).exists()
