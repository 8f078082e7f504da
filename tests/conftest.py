"""What tests of several folders share."""

import gc

import pytest

from tests.support.postgres import database_url, postgres_url
from tests.support.redis import redis_url

__all__ = ["database_url", "postgres_url", "redis_url"]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """What the test before has left open complains now, and collections from here on leave out all that was there.

    Else each of them would look at what thousands of tests have left, which took a third of the time of all tests.
    """
    gc.collect()
    gc.freeze()
