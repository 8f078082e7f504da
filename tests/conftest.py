"""What tests of several folders share."""

from tests.support.postgres import database_url, postgres_url
from tests.support.redis import redis_url

__all__ = ["database_url", "postgres_url", "redis_url"]
