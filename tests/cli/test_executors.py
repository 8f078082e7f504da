"""Work on a real dask cluster: a scheduler and two worker processes, on the loopback interface."""

import socket
import sys
from pathlib import Path

import pytest

from faultloop.cli.executors import executor_by_name
from faultloop.errors import CrewError, FaultloopError
from tests.search.duties import in_a_process_of_its_own


def test_a_dask_cluster_does_the_units_in_order_and_survives_a_killed_worker(tmp_path: Path):
    """In a process of its own, for a cluster leaves threads behind."""
    said = in_a_process_of_its_own("on_dask", str(tmp_path))
    assert said["results"] == list(range(20))
    assert (tmp_path / "3").exists(), "a worker was killed"
    assert 1 <= len(said["workers"]) <= 2, "whoever is first there may do it all"
    assert said["here"] not in said["workers"]
    assert said["failed"], "what a unit raises comes back with its traceback"
    assert said["runs"] == said["runs here"], "a run there is the run here"
    assert said["explored"] == said["explored here"], "an exploration there finds what one here does"
    assert len(said["explored"][2]) == 2
    first, other, mended = said["one after another"]
    assert first == [1, ""]
    assert other == [0, ""], "a program of another process is not taken for the first one's"
    assert mended[0] == 2
    assert "a worker has imported another one.py than there is now" in mended[1], "never a result of the old text"
    assert "[FL408]" in mended[1]


def refused(name: str, address: str, seconds: float = 10) -> FaultloopError:
    """How an executor is refused."""
    with (
        pytest.raises(FaultloopError) as told,
        executor_by_name(name, address, connect_seconds=seconds),
    ):
        pass
    return told.value


def test_an_executor_that_is_not_known_is_refused_by_name():
    assert str(refused("ray", "")) == 'there is no executor "ray"; there is dask [FL407]'


def test_an_address_is_asked_for():
    told = refused("dask", "")
    assert told.code == "FL404"
    assert "--address tcp://HOST:PORT" in str(told)


def test_what_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    told = refused("dask", "tcp://127.0.0.1:8786")
    assert (type(told), told.code) == (CrewError, "FL403")
    assert "pip install 'faultloop[dask]'" in str(told)


@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1:99999", "tcp://127.0.0.1:port", "tcp://[::1", "tcp://127.0.0.1:1"]
)
def test_an_address_where_nobody_is_is_told(address: str):
    told = refused("dask", address)
    assert told.code == "FL404"
    assert f"no dask scheduler answers at {address}: " in str(told)


def test_what_is_no_scheduler_is_not_waited_for():
    with socket.create_server(("127.0.0.1", 0)) as mute:
        told = refused("dask", f"tcp://127.0.0.1:{mute.getsockname()[1]}", seconds=0.01)
    assert "timed out" in str(told)
