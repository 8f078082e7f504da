"""The command line: `python -m aqueue VERB`, also installed as `aqueue`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

__all__ = ["command", "main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; it raises nothing. arguments: what stands behind the program's name."""
    from aqueue.cli.boundary import main as run_command

    return run_command(arguments)


def command() -> NoReturn:
    """Run the command that the process was started with, and end the process."""
    import sys

    from aqueue.cli.boundary import leave_at_once
    from aqueue.cli.codes import INTERRUPTED

    try:
        code = main()
    except KeyboardInterrupt:  # a second one, while the first was being told
        code = INTERRUPTED
    if code == INTERRUPTED:
        leave_at_once(code)
    sys.exit(code)
