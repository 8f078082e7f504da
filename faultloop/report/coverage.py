"""Await coverage as a table by file, and as annotated sources on a page.

Rule 1: pure: texts of files come from the caller. Rule 2: an `await` that no wait was ever seen below of is told as
such: it may never have been reached, or never have had to wait.
"""

from __future__ import annotations

import ast
import html
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch

from faultloop.model.coverage import Coverage, Covered

TextOf = Callable[[str], str | None]
"""The text of a project's file; None for any that is not the project's."""


@dataclass(frozen=True, slots=True)
class FileCoverage:
    """What is known of one file. unseen: lines with an `await` below which nothing ever waited.   text: its source."""

    file: str
    points: tuple[Covered, ...]
    unseen: tuple[int, ...]
    text: str

    @property
    def chances(self) -> int:
        """What could be done at its waits."""
        return sum(covered.chances for covered in self.points)

    @property
    def taken(self) -> int:
        """How much of that was done."""
        return sum(covered.taken for covered in self.points)


def files_of(coverage: Coverage, text_of: TextOf, only: str = "*") -> tuple[FileCoverage, ...]:
    """The project's own files, by name. only: a pattern of files."""
    points: dict[str, list[Covered]] = defaultdict(list)
    for covered in coverage.points:
        points[covered.point.file].append(covered)
    found: list[FileCoverage] = []
    for file in sorted({*points, *coverage.passed}):
        text = text_of(file)
        if text is None or not fnmatch(file, only):
            continue
        seen = {covered.point.line for covered in points[file]} | set(coverage.passed.get(file, ()))
        unseen = tuple(line for lines in awaits_in(text) if not seen & set(lines) for line in lines[:1])
        found.append(FileCoverage(file, tuple(points[file]), unseen, text))
    return tuple(found)


def awaits_in(text: str) -> tuple[range, ...]:
    """The lines of each `await`, `async for` and `async with` of a source, in order; none if it cannot be parsed."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return ()
    spans = {
        (node.lineno, _last_line(node))
        for node in ast.walk(tree)
        if isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith)
    }
    return tuple(range(first, last + 1) for first, last in sorted(spans))


def _last_line(node: ast.Await | ast.AsyncFor | ast.AsyncWith) -> int:
    if isinstance(node, ast.Await):
        return node.end_lineno or node.lineno
    return node.body[0].lineno - 1 if node.body[0].lineno > node.lineno else node.lineno


def share(files: Iterable[FileCoverage]) -> float:
    """How much was taken of what could be, from 0 to 100; 100 when nothing could."""
    chances, taken = 0, 0
    for each in files:
        chances += each.chances
        taken += each.taken
    return 100.0 * taken / chances if chances else 100.0


# The table

_HEADS = ("file", "awaits", "seen", "chances", "tried", "cover", "missing")


def coverage_table(files: tuple[FileCoverage, ...]) -> str:
    """A line a file: its awaits, how many of them waited, what could be done there, what was; then what is missing.

    Lines are as long as what is missing: whoever looks for it wants all of it.
    """
    rows = [
        [
            each.file,
            str(len(each.points) + len(each.unseen)),
            str(len(each.points)),
            str(each.chances),
            str(each.taken),
            f"{share([each]):.0f}%",
            "; ".join(_missing(each)),
        ]
        for each in files
    ]
    whole = ["TOTAL", *(str(sum(int(row[at]) for row in rows)) for at in range(1, 5)), f"{share(files):.0f}%", ""]
    widths = [max(len(row[at]) for row in [_HEADS, *rows, whole]) for at in range(6)]
    lines = [_aligned(_HEADS, widths), "-" * (sum(widths) + 22)]
    lines += [_aligned(row, widths) for row in rows]
    lines += [lines[1], _aligned(whole, widths)]
    return "\n".join(line.rstrip() for line in lines)


def _aligned(row: Sequence[str], widths: list[int]) -> str:
    numbers = "  ".join(cell.rjust(widths[at]) for at, cell in enumerate(row[1:6], start=1))
    return f"{row[0]:<{widths[0]}}  {numbers}  {row[6]}"


def _missing(each: FileCoverage) -> Iterator[str]:
    if each.unseen:
        yield "never waited: " + ", ".join(map(str, each.unseen))
    by_chance: dict[str, list[int]] = defaultdict(list)
    for covered in each.points:
        for kind, phase, count in covered.tried:
            if not count:
                by_chance[f"{kind} {phase}"].append(covered.point.line)
    for chance, lines in sorted(by_chance.items()):
        yield f"no {chance}: " + ", ".join(map(str, sorted(set(lines))))


# The page

_STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --text: #1b2430; --soft: #545e6b; --line: #d9dde3; --link: #0a58ad;
  --gap: #b3221a; --full: #ddf1e2; --part: #faf0cf; --none: #f9dedb; }
@media (prefers-color-scheme: dark) { :root { --paper: #12171e; --text: #e5eaf1; --soft: #a9b5c4; --line: #303a47;
  --link: #7fb8f5; --gap: #ff8d83; --full: #17321f; --part: #3a3213; --none: #43211e; } }
body { font: 14px/1.5 system-ui, sans-serif; margin: 0; background: var(--paper); color: var(--text); }
main { margin: 20px auto; max-width: 1200px; padding: 0 16px; } a { color: var(--link); }
table { border-collapse: collapse; }
td, th { padding: 3px 12px; text-align: right; border-bottom: 1px solid var(--line); }
td:first-child, th:first-child, td:last-child, th:last-child { text-align: left; }
pre { margin: 0; font: 12px/1.6 ui-monospace, monospace; overflow-x: auto; border: 1px solid var(--line); }
.line { display: block; padding: 0 10px; white-space: pre; }
.number { display: inline-block; width: 5ch; color: var(--soft); }
.full { background: var(--full); } .part { background: var(--part); } .none { background: var(--none); }
.note { color: var(--soft); font-style: italic; } .gap { color: var(--gap); font-style: normal; font-weight: 600; }
"""


def coverage_page(files: tuple[FileCoverage, ...]) -> str:
    """One page without a script: the table, and each file with what was seen and tried at its awaits."""
    rows = "".join(
        f'<tr><td><a href="#{_anchor(each.file)}">{html.escape(each.file)}</a></td>'
        f"<td>{len(each.points) + len(each.unseen)}</td><td>{len(each.points)}</td><td>{each.chances}</td>"
        f"<td>{each.taken}</td><td>{share([each]):.0f}%</td><td>{html.escape('; '.join(_missing(each)))}</td></tr>"
        for each in files
    )
    heads = "".join(f'<th scope="col">{head}</th>' for head in _HEADS)
    sources = "".join(
        f'<h2 id="{_anchor(each.file)}">{html.escape(each.file)}</h2>'
        f'<pre tabindex="0" role="region" aria-label="{html.escape(each.file)}">{"".join(_source(each))}</pre>'
        for each in files
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>Await coverage {share(files):.0f}%</title><style>{_STYLE}</style></head><body>"
        f"<main><h1>Await coverage: {share(files):.0f}%</h1><table><thead><tr>{heads}</tr></thead>"
        f"<tbody>{rows}</tbody></table>{sources}</main></body></html>\n"
    )


def _anchor(file: str) -> str:
    return html.escape("".join(c if c.isalnum() else "-" for c in file), quote=True)


def _source(each: FileCoverage) -> Iterator[str]:
    points: dict[int, list[Covered]] = defaultdict(list)
    for covered in each.points:
        points[covered.point.line].append(covered)
    for number, text in enumerate(each.text.splitlines(), start=1):
        kind, note = _annotated(points.get(number, []), never_waited=number in each.unseen)
        yield f'<span class="line {kind}"><span class="number">{number}</span>{html.escape(text)}{note}</span>'


def _annotated(points: list[Covered], *, never_waited: bool) -> tuple[str, str]:
    """The class of a line, and what stands behind it."""
    if never_waited:
        return "none", '  <span class="note">never waited</span>'
    if not points:
        return "", ""
    said: Mapping[str, int] = _summed(points)
    chips = [f"{chance} {count}" if count else f'<b class="gap">no {chance}</b>' for chance, count in said.items()]
    kind = "full" if all(said.values()) else "part" if any(said.values()) else "none"
    return kind, f'  <span class="note">{" · ".join(chips) or "seen"}</span>'


def _summed(points: list[Covered]) -> dict[str, int]:
    said: dict[str, int] = {}
    for covered in points:
        for kind, phase, count in covered.tried:
            chance = html.escape(f"{kind} {phase}")
            said[chance] = said.get(chance, 0) + count
    return said
