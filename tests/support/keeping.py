"""Servers in the care of keepers: processes of their own that outlive a killed test run, and clean up after it."""

import contextlib
import subprocess
import sys
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Kept:
    """A server's port, its folder, and the keeper that has it, which takes orders."""

    keeper: subprocess.Popen[str]
    port: int
    folder: Path

    def tell(self, order: str) -> None:
        """Have the keeper do something, and wait until it is done."""
        assert self.keeper.stdin is not None
        assert self.keeper.stdout is not None
        self.keeper.stdin.write(order + "\n")
        self.keeper.stdin.flush()
        assert self.keeper.stdout.readline() == "done\n", "the keeper ended: see what it wrote above"


@contextlib.contextmanager
def kept(script: str, *arguments: str | Path) -> Generator[Kept]:
    """A server for as long as this lasts. script: the keeper's, which prints the port and the folder."""
    with subprocess.Popen(
        [sys.executable, script, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # an interruption at the keyboard is for the tests; this one ends after them
    ) as keeper:
        assert keeper.stdin is not None
        assert keeper.stdout is not None
        port, _, folder = keeper.stdout.readline().strip().partition(" ")
        assert port, "the server did not start: see what it wrote above"
        try:
            yield Kept(keeper, int(port), Path(folder))
        finally:
            keeper.stdin.close()
            assert keeper.wait(30) == 0
