"""The Redis of the tests is a real one, and nothing is left of it."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from tests.support import redis as support
from tests.tidy.project import ROOT

pytestmark = pytest.mark.released
STARTER = """
import time
from tests.support.redis import kept_server
with kept_server() as (port, folder):
    print(port, folder, flush=True)
    time.sleep(600)
"""


def answers(port: int) -> bool:
    with socket.socket() as asked:
        return asked.connect_ex(("127.0.0.1", port)) == 0


def test_it_is_a_server_and_not_a_fake(redis_url: str):
    with redis.Redis.from_url(redis_url) as client:
        told = client.info("server")
    assert told["process_id"] != os.getpid()
    assert int(told["redis_version"].partition(".")[0]) >= 7


def test_a_server_that_is_named_is_used(monkeypatch: pytest.MonkeyPatch, redis_url: str):
    monkeypatch.setenv(support.VARIABLE, redis_url)
    with support.server_url() as url:
        assert url == redis_url


def test_servers_live_beside_each_other_and_leave_nothing():
    with support.kept_server() as (port, folder), support.kept_server() as (other_port, other_folder):
        assert port != other_port
        assert answers(port)
        assert answers(other_port)
        assert folder.is_dir()
    assert not answers(port)
    assert not answers(other_port)
    assert not folder.exists()
    assert not other_folder.exists()


def test_a_server_goes_with_a_test_run_that_is_killed():
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", STARTER], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
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
