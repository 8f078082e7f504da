"""Where a command's result goes: to a person as text, or to a machine as JSON; standard output has one of them."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import msgspec

from aqueue.cli.text import for_encoding

__all__ = ["put"]


def put(text: str, result: Mapping[str, object], *, as_json: bool) -> None:
    """Write the text, or the result."""
    if as_json:
        text = msgspec.json.format(msgspec.json.encode(result), indent=2).decode()
    sys.stdout.write(for_encoding(text, getattr(sys.stdout, "encoding", None)) + "\n")
