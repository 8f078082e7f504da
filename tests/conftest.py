"""What tests of several folders share."""

import gc

from tests.support.postgres import database_url, postgres_url
from tests.support.redis import redis_url

__all__ = ["database_url", "postgres_url", "redis_url"]


def pytest_runtest_setup() -> None:
    """Collections leave out what was there before the first test, or each would look at thousands of tests.

    Some tests thaw it, hence the question before each test.
    """
    if not gc.get_freeze_count():
        gc.collect()
        gc.freeze()
