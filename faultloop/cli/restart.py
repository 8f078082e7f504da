"""Starting this process again under a fixed hash seed.

The order of a set of strings depends on PYTHONHASHSEED, which is read when the interpreter starts: a trace that was
recorded under one seed is replayed under it, or may take another way.
"""

from __future__ import annotations

import os
import subprocess
import sys

MARK = "FAULTLOOP_RESTARTED"
"""Set in the second process, so that there is never a third."""

DEFAULT_SEED = "0"


def current_seed() -> str:
    """The hash seed of this process: a number, or `random`."""
    if sys.flags.ignore_environment or sys.flags.isolated:
        return "random"
    return os.environ.get("PYTHONHASHSEED") or "random"


def needs_restart(wanted: str) -> bool:
    """Whether this process runs under another hash seed than the one that is wanted. `random` wants none."""
    return wanted != "random" and current_seed() != wanted


def under_seed(wanted: str) -> str:
    """Go on under this hash seed: does not return if the process has to start again.

    Returns a warning, empty when all is well, for when it cannot: it was started with -I or -E, or already again.
    """
    if not needs_restart(wanted):
        return ""
    if sys.flags.ignore_environment or os.environ.get(MARK) or not sys.executable:
        return f"this Python does not take the hash seed {wanted}: sets of strings may be in another order"
    environment = {**os.environ, "PYTHONHASHSEED": wanted, MARK: "1"}
    command = [sys.executable, *sys.orig_argv[1:]]
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name == "nt":
        # There execve returns to the shell at once, with the new process still running.
        sys.exit(subprocess.run(command, env=environment, check=False).returncode)
    return os.execve(sys.executable, command, environment)
