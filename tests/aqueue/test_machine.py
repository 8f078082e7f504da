"""Every operation in any order, with all limits, schedules and breakers: invariants and limits hold at each step."""

import tempfile
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from aqueue import MemoryStore, SqliteStore, Store
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


@pytest.mark.parametrize("machine", [OnMemory, OnSqlite], ids=["memory", "sqlite"])
def test_whatever_is_done_in_whatever_order_no_invariant_and_no_limit_breaks(machine: Any):
    run_state_machine_as_test(machine, settings=QUIET)
