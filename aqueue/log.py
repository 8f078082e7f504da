"""Where aqueue says what it does.

If the program configured structlog, events go there. If not, they go to the standard logger «aqueue», which shows
warnings and stays quiet below them.
"""

from __future__ import annotations

import logging
from typing import Final, cast

import anyio
import structlog
from structlog.typing import FilteringBoundLogger

__all__ = ["Trouble", "is_quiet", "logger"]

AGAIN_SECONDS: Final = 60.0
"""After which a trouble that goes on is told again."""

_OURS = logging.getLogger("aqueue")
_STANDARD = cast(
    "FilteringBoundLogger",
    structlog.wrap_logger(
        _OURS,
        processors=[structlog.stdlib.filter_by_level, structlog.processors.KeyValueRenderer(key_order=["event"])],
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    ),
)


def logger() -> FilteringBoundLogger:
    """Return the logger of all aqueue events; asked for at each event, because programs configure late."""
    if structlog.is_configured():
        return cast("FilteringBoundLogger", structlog.get_logger("aqueue"))
    return _STANDARD


def is_quiet() -> bool:
    """Whether whatever is said below a warning is certain to be dropped."""
    return not structlog.is_configured() and not _OURS.isEnabledFor(logging.INFO)


class Trouble:
    """One that may go on: an outage of an hour is one thing to know, not ten thousand."""

    def __init__(self, *, over: str) -> None:
        """Know of none. over: the event that says that it has ended."""
        self._over = over
        self._error: str | None = None
        self._told_at = 0.0

    def tell(self, event: str, error: str) -> None:
        """Log it as a warning; the same again once in a while."""
        now = anyio.current_time()
        if error != self._error or now >= self._told_at + AGAIN_SECONDS:
            self._error, self._told_at = error, now
            logger().warning(event, error=error)

    def end(self) -> None:
        """Log that there is none any more, if there was one."""
        if self._error is not None:
            logger().warning(self._over, after=self._error)
            self._error = None
