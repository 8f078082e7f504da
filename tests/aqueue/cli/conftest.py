"""A queue in a file, and a command line that answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from aqueue import SqliteStore
from aqueue.cli import main
from aqueue.lifecycle import Bury, Fail, Succeed
from aqueue.store.operations import Claim, Enqueue, Operation, Settle
from aqueue.store.rows import NewJob
from aqueue.store.schedules import DeclareSchedule
from tests.aqueue.walk import new_job


@dataclass
class Answer:
    """What a command left: its exit code and both streams."""

    code: int
    out: str
    err: str

    @property
    def record(self) -> Any:
        """The result for machines."""
        return json.loads(self.out)


Ask = Callable[..., Answer]


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Ask:
    """Run one command in this process; no answer is a traceback."""

    def run(*arguments: object) -> Answer:
        code = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        assert "Traceback" not in said.err + said.out
        assert "bug in aqueue" not in said.err
        return Answer(code, said.out, said.err)

    return run


class WallClock:
    """The real time, shifted."""

    def __init__(self, shift_ms: int = 0) -> None:
        self.shift_ms = shift_ms

    def now_ms(self) -> int:
        from aqueue import SystemClock

        return SystemClock().now_ms() + self.shift_ms


def perform(path: Path, *operations: Operation[Any], shift_ms: int = 0) -> list[Any]:
    """Run operations on the file, as a worker of another process would."""

    async def run() -> list[Any]:
        store = SqliteStore(str(path), durability="process")
        async with store.open(clock=WallClock(shift_ms), random=Random(0)) as session:
            return [await session.perform(operation) for operation in operations]

    return anyio.run(run)


def task_job(uid: str, task: str, **options: Any) -> NewJob:
    """A job of a task by its name."""
    return replace(new_job(uid, **options), task=task)


@pytest.fixture
def jobs(tmp_path: Path) -> Path:
    """Jobs 1 to 6: succeeded, dead (rejected), dead (exhausted), retrying, running, due. A schedule called nightly."""
    path = tmp_path / "jobs.db"
    names = ("charge", "charge", "mail", "mail", "charge", "mail")
    news = tuple(task_job(f"j{n}", task, attempts=1 if n == 3 else 3) for n, task in enumerate(names, start=1))
    perform(
        path,
        Enqueue(news[:4]),
        Claim("w1", "n1", 4, lease_ms=60_000),
        Settle(1, "w1", Succeed(1), result=b'"paid"'),
        Settle(2, "w1", Bury(1, "rejected"), error="Reject: no such order 7"),
        Settle(3, "w1", Fail(1, 0), error="ConnectionError: mail server is down"),
        Settle(4, "w1", Fail(1, 0), delay_ms=3_600_000, error="TimeoutError: "),
        Enqueue(news[4:5]),
        Claim("w2", "n2", 1, lease_ms=60_000),
        Enqueue(news[5:]),
        DeclareSchedule("nightly", "0 3 * * *", "UTC", "last", task_job("c", "mail")),
    )
    return path


@pytest.fixture
def store(jobs: Path) -> str:
    """The URL of that file."""
    return f"sqlite:///{jobs}"
