"""The command line: `python -m aqueue VERB`, also installed as `aqueue`."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; it raises nothing. arguments: what stands behind the program's name."""
    from aqueue.cli.boundary import main as run_command

    return run_command(arguments)
