"""A project with scenarios, and the command line called in this process."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from faultloop.cli import main

SCENARIOS = """\
import asyncio

async def fine():
    await asyncio.sleep(1)
    return "done"

async def broken():
    raise ValueError("as always")

async def stuck():
    await asyncio.get_running_loop().create_future()

async def prints():
    print("from the program")
    await asyncio.sleep(0.5)

class Pool:
    def __init__(self):
        self.in_use, self.waiters = 0, []
    async def acquire(self):
        if not self.in_use:
            self.in_use = 1
            return
        slot = asyncio.get_running_loop().create_future()
        self.waiters.append(slot)
        await slot
    def release(self):
        while self.waiters:
            slot = self.waiters.pop(0)
            if not slot.done():
                return slot.set_result(None)
        self.in_use = 0

async def worker(pool):
    await pool.acquire()
    try:
        await asyncio.sleep(0.1)
    finally:
        pool.release()

async def pool_is_whole():
    pool = Pool()
    workers = [asyncio.create_task(worker(pool), name=f"worker-{n}") for n in (1, 2)]
    await asyncio.wait(workers)
    assert pool.in_use == 0, f"in_use is {pool.in_use}"

async def nap():
    await asyncio.sleep(1)

async def two_are_needed():
    tasks = [asyncio.create_task(nap(), name=name) for name in ("reader", "writer")]
    await asyncio.wait(tasks)
    assert not tasks[0].cancelled(), "nobody read"
    assert not tasks[1].cancelled(), "nobody wrote"

CALLS = []
async def differs():
    CALLS.append(0)
    for _ in range(len(CALLS)):
        await asyncio.sleep(1)
"""
LOST = "cancel worker-2 @ Pool.acquire #1 woken"


@dataclass(frozen=True, slots=True)
class Said:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """Standard output, as a machine reads it."""
        return json.loads(self.out)  # type: ignore[no-any-return]


class Shell:
    """Calls the command line in the project's folder."""

    def __init__(self, root: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.root = root
        self._capture = capture

    def __call__(self, *arguments: str | Path) -> Said:
        """Run one command in this process."""
        self._capture.readouterr()
        code = main([str(argument) for argument in arguments])
        out, err = self._capture.readouterr()
        assert "Traceback" not in err or "-v" in arguments
        return Said(code, out, err)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project with scenarios in `scenes.py`; modules and paths that commands add are taken away again."""
    project = tmp_path / "project"
    (project / ".git").mkdir(parents=True)
    (project / "scenes.py").write_text(SCENARIOS, encoding="utf-8")
    monkeypatch.chdir(project)
    modules, paths = set(sys.modules), list(sys.path)
    yield project
    sys.path[:] = paths
    for name in set(sys.modules) - modules:
        if name in ("scenes", "victim", "changing") or name.startswith("faultloop_target"):
            del sys.modules[name]


@pytest.fixture
def shell(root: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    """The command line in the project."""
    return Shell(root, capsys)
