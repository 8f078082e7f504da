"""Released queues fail as the findings say, against real servers: `make test-released`."""

from importlib import metadata

import pytest

from failure_modes.released.findings import FINDINGS, Finding
from failure_modes.released.proof import controlled, reproduced
from tests.support import postgres, redis

# What a library warns of, or does not close when it is stopped half-way, is its own business here.
pytestmark = [pytest.mark.released, pytest.mark.filterwarnings("ignore")]
each_finding = pytest.mark.parametrize("finding", FINDINGS, ids=lambda finding: finding.name)


@pytest.fixture(autouse=True)
def servers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scenarios take their server from the environment, as anybody would who replays them."""
    finding: Finding = request.getfixturevalue("finding")
    match finding.server:
        case "PostgreSQL":
            monkeypatch.setenv(postgres.VARIABLE, request.getfixturevalue("database_url"))
        case "Redis":
            monkeypatch.setenv(redis.VARIABLE, request.getfixturevalue("redis_url"))


@each_finding
def test_the_release_is_the_one_that_is_named(finding: Finding):
    assert metadata.version(finding.library) == finding.version


@each_finding
def test_exploring_the_release_finds_it(finding: Finding):
    assert reproduced(finding) == []


@each_finding
def test_the_control_holds(finding: Finding):
    assert controlled(finding) == []
