"""What tests of several folders share."""

import gc

import pytest

from tests.support.postgres import database_url, postgres_url
from tests.support.redis import redis_url

__all__ = ["database_url", "postgres_url", "redis_url"]

FREEZE_EVERY = 25
_begun = 0


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Collections leave out what was there a few tests ago: each would look at all that thousands of tests have left.

    Some tests thaw it, hence the question.
    """
    global _begun
    if _begun % FREEZE_EVERY == 0 or not gc.get_freeze_count():
        gc.collect()
        gc.freeze()
    _begun += 1
