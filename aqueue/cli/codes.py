"""The exit codes, which scripts rely on."""

from __future__ import annotations

FINE = 0
"""Done, and nothing found."""
FOUND = 1
"""Something does not hold, is left over, or was skipped."""
BAD_USAGE = 2
"""A command line, a queue, a job or a store that is none."""
UNAVAILABLE = 3
"""The store did not answer: locked, read-only, full, damaged, gone."""
BUG = 70
"""Of aqueue's own."""
INTERRUPTED = 130
PIPE_CLOSED = 141
