"""The document of a page: what the trace says, as data, and the style and scripts that show it.

Rule 1: the data is JSON inside the document, with every «<» escaped, so that no text of a program can end it.
Rule 2: the policy of the document names its one style and its one script by hash, and allows nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import msgspec

from faultloop.model.address import format_fault
from faultloop.model.text import counted
from faultloop.model.trace import Trace
from faultloop.report.difference import first_difference
from faultloop.report.lanes import Moment, lanes_of
from faultloop.report.story import scenario_name, tell
from faultloop.report.words import clean, extent_words, task_names

SCRIPTS = ("model.js", "lanes.js", "table.js", "page.js")
STYLE = "page.css"
CONTEXT = 2
"""How many lines of source are shown before and after the one that waits."""
_SERIES = re.compile(r"([^=]{1,60}?)\s*=\s*(-?\d+(?:\.\d+)?)")
_FATES = ("over", "lost", "open")

LinesOf = Callable[[str], Sequence[str]]
"""The lines of a source file by the name that the trace gives it; none when it is not to be had."""


@dataclass(frozen=True, slots=True)
class Extras:
    """What a page shows that no trace knows.

    passes: as `faultloop.report.failure.needs_line` says it.   passing: a run of the same scenario that passed.
    commands: (label, command) pairs.   lines_of: where source lines come from.
    """

    passes: str = ""
    passing: Trace | None = None
    commands: Sequence[tuple[str, str]] = ()
    lines_of: LinesOf = field(default=lambda _: ())


def page(trace: Trace, extras: Extras | None = None) -> str:
    """The whole document."""
    extras = extras or Extras()
    style = _asset(STYLE)
    script = "\n".join(["(() => {", '"use strict";', *(_asset(name) for name in SCRIPTS), "})();"])
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    data = msgspec.json.encode(page_data(trace, extras)).decode().replace("<", "\\u003c")
    title = html.escape(f"{tell(trace).sentence} – faultloop")
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{title}</title>",
            f"<style>{style}</style>",
            "</head>",
            "<body>",
            "<noscript><p>This page draws itself with a script, which is switched off here.</p></noscript>",
            f'<script type="application/json" id="faultloop-data">{data}</script>',
            f"<script>{script}</script>",
            "</body>",
            "</html>",
            "",
        ]
    )


def page_data(trace: Trace, extras: Extras) -> dict[str, Any]:
    """What the scripts read: see `model.js` for its shape."""
    told = tell(trace)
    runs = [_run("this run", trace, extras.lines_of)]
    difference = None
    if extras.passing is not None and extras.passing.events:
        runs.append(_run("passing run", extras.passing, extras.lines_of))
        if (found := first_difference(trace, extras.passing)) is not None and found.number:
            difference = {"event": found.number - 1, "left": found.left, "right": found.right}
    return {
        "scenario": scenario_name(trace),
        "sentence": told.sentence,
        "status": str(trace.outcome.status),
        "failed": trace.outcome.status.is_failure,
        "facts": _facts(trace),
        "fault": [*told.fault, *told.network],
        "faults": [clean(format_fault(planned), 200) for planned in trace.faults],
        "order": told.order,
        "broke": told.broke,
        "also": [*told.also, *told.holds],
        "passes": extras.passes,
        "stuck": _waiting(trace),
        "commands": [list(pair) for pair in extras.commands],
        "runs": runs,
        "difference": difference,
    }


def _facts(trace: Trace) -> list[list[str]]:
    env, stats = trace.env, trace.stats
    said = {
        "scenario": clean(trace.target.ref, 200),
        "driver": f"{clean(env.driver, 20)}, {clean(env.implementation, 20)} {clean(env.python, 20)}",
        "order": trace.order + ("" if trace.seed is None else f", seed {trace.seed}"),
        "size": extent_words(trace),
        "digest": clean(trace.digest, 80),
    }
    if stats.events_dropped:
        said["not kept"] = f"{counted(stats.events_dropped, 'event')} from the middle"
    return [[label, text] for label, text in said.items() if text]


def _waiting(trace: Trace) -> list[dict[str, str]]:
    names = task_names(task.path for task in trace.tasks)
    return [
        {
            "task": names.get(wait.task, clean(wait.task, 80)),
            "where": clean(wait.where, 80),
            "place": clean(wait.place, 120),
            "needs": clean(wait.needs, 80),
            "owner": names.get(wait.owner, clean(wait.owner, 80)),
        }
        for wait in trace.outcome.waiting
    ]


def _run(name: str, trace: Trace, lines_of: LinesOf) -> dict[str, Any]:
    lanes = lanes_of(trace)
    names = task_names(task.path for task in trace.tasks)
    events = trace.events
    return {
        "name": name,
        "status": str(trace.outcome.status),
        "message": clean(trace.outcome.message, 300),
        "failed": trace.outcome.status.is_failure,
        "tasks": [names[task.path] for task in trace.tasks],
        "sites": [
            {
                "function": clean(site.function, 80),
                "awaited": clean(site.awaited, 80),
                "place": clean(site.place, 200),
                "chain": [clean(frame, 200) for frame in site.chain],
                "source": _excerpt(lines_of(site.file), site.line) if site.line > 0 else [],
            }
            for site in trace.sites
        ],
        "events": {
            "step": [event.step for event in events],
            "t": [event.t for event in events],
            "ev": [event.ev for event in events],
            "task": [event.task for event in events],
            "by": [event.by for event in events],
            "site": [event.site for event in events],
            "nth": [event.nth for event in events],
            "text": {number: clean(event.text, 300) for number, event in enumerate(events) if event.text},
        },
        "waits": [
            [w.task, w.site, w.nth, w.begin.event, _event(w.woken), w.by, _event(w.end), _FATES.index(w.fate)]
            for w in lanes.waits
        ],
        "lives": [[life.begin.event, _event(life.end)] for life in lanes.lives],
        "series": series(trace),
    }


def _event(moment: Moment | None) -> int:
    return -1 if moment is None else moment.event


def _excerpt(lines: Sequence[str], line: int) -> list[list[int | str]]:
    """The lines around one, each with its number."""
    first = max(line - CONTEXT, 1)
    return [[number, lines[number - 1][:200]] for number in range(first, min(line + CONTEXT, len(lines)) + 1)]


def series(trace: Trace) -> list[dict[str, Any]]:
    """What the program measured: notes such as `backlog = 12`, by name, as (virtual seconds, value) in order."""
    points: dict[str, list[list[float]]] = {}
    for event in trace.events:
        if event.ev == "note" and (found := _SERIES.fullmatch(event.text.strip())):
            points.setdefault(found.group(1), []).append([event.t / 1e9, float(found.group(2))])
    return [{"name": name, "points": values} for name, values in points.items() if len(values) > 1]


def sources(texts: Mapping[str, str]) -> LinesOf:
    """Source lines from texts by file name."""
    return lambda file: texts.get(file, "").splitlines()


def _asset(name: str) -> str:
    return resources.files("faultloop.report.page").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
