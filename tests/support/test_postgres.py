"""The server of the tests is a real one, and nothing is left of it."""

import psycopg
import pytest

from tests.support import postgres
from tests.support.claims_of_keepers import assert_it_goes_with_who_is_killed, assert_two_leave_nothing
from tests.support.postgres import kept_server


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
    assert_two_leave_nothing(kept_server)


def test_a_server_goes_with_a_test_run_that_is_killed():
    assert_it_goes_with_who_is_killed("tests.support.postgres")
