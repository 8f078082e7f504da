"""The command line: `python -m faultloop VERB`, also installed as `faultloop`."""

from __future__ import annotations

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; it raises nothing.

    arguments: what stands behind the program's name; None takes the process's own, and then the process may start
    itself again under a fixed hash seed.
    """
    from faultloop.cli.boundary import main as run_command

    return run_command(arguments)
