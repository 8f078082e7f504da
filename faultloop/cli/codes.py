"""The exit codes, which scripts rely on."""

from __future__ import annotations

FOUND_NOTHING = 0
"""Nothing found, or the replay agrees and the run passed."""
FOUND_FAILURE = 1
"""A failure was found, or reproduced."""
BAD_USAGE = 2
"""Bad usage, or a file that cannot be read."""
CANNOT_TELL = 3
"""Diverged, not deterministic, or cannot tell."""
BUG = 70
"""Of faultloop's own."""
INTERRUPTED = 130
PIPE_CLOSED = 141
