"""The server of the tests is a real one, and nothing is left of it."""

import os
import signal
import socket
import subprocess
import sys

import psycopg
import pytest

from tests.support import postgres
from tests.support.postgres import kept_server
from tests.tidy.project import ROOT

STARTER = """
import time
from tests.support.postgres import kept_server
with kept_server() as (port, folder):
    print(port, folder, flush=True)
    time.sleep(600)
"""


def answers(port: int) -> bool:
    with socket.socket() as asked:
        return asked.connect_ex(("127.0.0.1", port)) == 0


def test_a_database_is_a_tests_own(database_url: str, postgres_url: str):
    with psycopg.connect(database_url) as connection:
        assert connection.info.server_version >= 140_000
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)
    assert database_url != postgres_url


def test_a_server_that_is_named_is_used(monkeypatch: pytest.MonkeyPatch, postgres_url: str):
    monkeypatch.setenv(postgres.VARIABLE, postgres_url)
    with postgres.server_url() as url:
        assert url == postgres_url


def test_servers_live_beside_each_other_and_leave_nothing():
    with kept_server() as (port, folder), kept_server() as (other_port, other_folder):
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
    assert not os.path.exists(folder)
