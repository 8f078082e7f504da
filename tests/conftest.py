"""What tests of several folders share."""

from tests.support.postgres import database_url, postgres_url

__all__ = ["database_url", "postgres_url"]
