"""What tests of several folders share."""

import gc
import signal

import pytest

from tests.support.postgres import database_url, postgres_url
from tests.support.redis import redis_url

__all__ = ["database_url", "postgres_url", "redis_url"]


def pytest_configure() -> None:
    """Ctrl-C is heard, as in a process started by hand: a shell has what runs in its background ignore it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """What the test before has left open complains now, and collections from here on leave out all that was there.

    Else each of them would look at what thousands of tests have left, which took a third of the time of all tests.
    """
    gc.collect()
    gc.freeze()
