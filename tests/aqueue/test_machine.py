"""Every operation in any order, with all limits, schedules and breakers: invariants and limits hold at each step."""

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from aqueue import MemoryStore, SqliteStore, Store
from aqueue.store.postgres.store import PostgresStore
from tests.aqueue.conftest import empty_schema
from tests.aqueue.machine import QueueMachine

QUIET = settings(
    deadline=None, max_examples=40, stateful_step_count=40, suppress_health_check=list(HealthCheck), derandomize=True
)


class OnMemory(QueueMachine):
    @staticmethod
    def make_store() -> Store:
        return MemoryStore()


class OnSqlite(QueueMachine):
    folders: ClassVar[list[tempfile.TemporaryDirectory[str]]] = []

    @classmethod
    def make_store(cls) -> Store:
        folder = tempfile.TemporaryDirectory(prefix="machine-")
        cls.folders.append(folder)
        return SqliteStore(str(Path(folder.name) / "jobs.db"), durability="process")

    def teardown(self) -> None:
        super().teardown()
        self.folders.pop().cleanup()


class OnPostgres(QueueMachine):
    database_url: ClassVar[str]
    schemas: ClassVar[list[ExitStack]] = []

    @classmethod
    def make_store(cls) -> Store:
        schema = ExitStack()
        cls.schemas.append(schema)
        return PostgresStore(schema.enter_context(empty_schema(cls.database_url)), durability="process")

    def teardown(self) -> None:
        super().teardown()
        self.schemas.pop().close()


def test_the_same_on_postgres(aqueue_database: str):
    """With fewer examples: each step asks a server."""
    OnPostgres.database_url = aqueue_database
    run_state_machine_as_test(OnPostgres, settings=settings(QUIET, max_examples=8, stateful_step_count=30))


@pytest.mark.parametrize("machine", [OnMemory, OnSqlite], ids=["memory", "sqlite"])
def test_whatever_is_done_in_whatever_order_no_invariant_and_no_limit_breaks(machine: Any):
    run_state_machine_as_test(machine, settings=QUIET)
