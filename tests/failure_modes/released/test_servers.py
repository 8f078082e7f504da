"""The Redis of the tests is a real one, and nothing is left of it."""

import os

import pytest
import redis

from tests.support import redis as support
from tests.support.claims_of_keepers import assert_it_goes_with_who_is_killed, assert_two_leave_nothing

pytestmark = pytest.mark.released


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
    assert_two_leave_nothing(support.kept_server)


def test_a_server_goes_with_a_test_run_that_is_killed():
    assert_it_goes_with_who_is_killed("tests.support.redis")
