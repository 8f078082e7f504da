"""Lines of a log that say where in a run they were written: virtual time, step, task and node.

    logging.getLogger().addFilter(RunFilter())                     %(virtual_time)s %(step)d %(task)s %(node)s
    structlog.configure(processors=[run_processor, …, renderer])   virtual_time=… step=… task=… node=…

Both leave lines that are written outside of a run as they are, so they can stay where a program runs for real. Lines of
`logging` are kept in the trace of a recorded run by themselves (see faultloop.search.logged); those of structlog by
`run_processor`.
"""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any

from faultloop.world.notes import here, note

NOTE_MAX = 300
"""How many characters of a line the trace keeps."""


class RunFilter(logging.Filter):
    """Adds to each record where in the run it was made.

    virtual_time: seconds since the run began, as text with three decimals; empty outside of a run.   step: 0 there.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Add, and let every record through."""
        place = here()
        record.virtual_time = "" if place is None else f"{place.seconds:.3f}"
        record.step = 0 if place is None else place.step
        record.task = "" if place is None else place.task
        record.node = "" if place is None else place.node
        return True


def run_processor(_logger: Any, method: str, event_dict: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A processor for structlog: says where in the run the line was written, and keeps the line in its trace."""
    place = here()
    if place is None:
        return event_dict
    said = " ".join(f"{key}={value!r}" for key, value in event_dict.items() if key != "event")
    note(f"{method}: {event_dict.get('event', '')} {said}".strip()[:NOTE_MAX])
    event_dict["virtual_time"] = round(place.seconds, 6)
    event_dict["step"] = place.step
    if place.task:
        event_dict["task"] = place.task
    if place.node:
        event_dict["node"] = place.node
    return event_dict
