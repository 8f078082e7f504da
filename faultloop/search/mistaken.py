"""Whether a scenario failed because it was written for another loop than it was run on: said in a sentence."""

from __future__ import annotations

from faultloop.model.outcome import Raised

_NO_TRIO = (
    ("AttributeError", "'RunContext' object has no attribute"),
    ("RuntimeError", "must be called from async context"),
)
"""What trio says where no loop of its own runs."""
_NO_ASYNCIO = (("RuntimeError", "no running event loop"),)


def other_driver(raised: Raised | None, driver: str) -> str:
    """What to do about an error that says that the program's own loop is not the one that runs; empty for any other.

    raised: what a run without faults came to.   driver: that of the run.
    """
    if raised is None:
        return ""
    if driver == "asyncio" and _is_one_of(raised, _NO_TRIO):
        return "it is written for trio, and this run was on asyncio: --driver trio"
    if driver == "trio" and _is_one_of(raised, _NO_ASYNCIO):
        return "it is written for asyncio, and this run was on trio: --driver asyncio"
    return ""


def _is_one_of(raised: Raised, known: tuple[tuple[str, str], ...]) -> bool:
    return any(raised.type == kind and text in raised.message for kind, text in known)
