"""How long the end of a run may take."""

from __future__ import annotations

VIRTUAL_SECONDS = 30.0

WALL_SECONDS = 2.0
