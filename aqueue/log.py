"""Where aqueue says what it does.

If the program configured structlog, events go there. If not, they go to the standard logger «aqueue», which shows
warnings and stays quiet below them.
"""

from __future__ import annotations

import logging
from typing import cast

import structlog
from structlog.typing import FilteringBoundLogger

__all__ = ["is_quiet", "logger"]

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
