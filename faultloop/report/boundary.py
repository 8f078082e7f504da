"""The boundary of a run as a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from faultloop.drivers.boundary import FATES, Row

_API_WIDTH_MAX = 44
_MEANING: dict[str, str] = {str(fate): meaning for fate, meaning in FATES.items()}


def boundary_table(rows: Sequence[Row]) -> str:
    """A paragraph for each fate: what is called, what becomes of it, and how to have it otherwise.

    Functions of one module that fare alike share a line.
    """
    paragraphs: list[str] = []
    for fate, own in groupby(rows, key=lambda row: row.fate):
        lines = [f"{fate}: {_MEANING[fate]}", *(_line(apis, how) for apis, how in _told_alike(own))]
        paragraphs.append("\n".join(lines))
    return "\n\n".join(paragraphs)


def _told_alike(rows: Iterable[Row]) -> list[tuple[str, str]]:
    """Rows that say the same as one: `random.choice, choices, gauss`."""
    alike: dict[tuple[str, str, str], list[str]] = {}
    for row in rows:
        module = "" if " " in row.api else row.api.rpartition(".")[0]
        how = f"on {row.on}: {row.how}" if row.on else row.how
        alike.setdefault((module, how, row.change), []).append(row.api)
    told: list[tuple[str, str]] = []
    for (module, how, change), (first, *others) in alike.items():
        names = ", ".join([first, *(api.removeprefix(f"{module}.") for api in others)])
        told.append((names, f"{how}; otherwise: {change}" if change else how))
    return told


def _line(apis: str, how: str) -> str:
    """One line, or two when the names are many."""
    if len(apis) <= _API_WIDTH_MAX:
        return f"  {apis:{_API_WIDTH_MAX}}  {how}"
    return "\n".join([*_folded(apis), f"  {'':{_API_WIDTH_MAX}}  {how}"])


def _folded(apis: str, width: int = 118) -> list[str]:
    lines = [" "]
    for name in apis.split(", "):
        part = f" {name},"
        if len(lines[-1]) + len(part) > width:
            lines.append("   ")
        lines[-1] += part
    lines[-1] = lines[-1].rstrip(",")
    return lines
