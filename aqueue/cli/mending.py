"""The commands check, repair and spread."""

from __future__ import annotations

from random import Random
from typing import Any

from aqueue.cli.arguments import Options
from aqueue.cli.codes import FINE, FOUND
from aqueue.cli.loading import on_store
from aqueue.cli.output import put
from aqueue.cli.text import clean, span, table
from aqueue.cli.untaken import untaken_record, untaken_words
from aqueue.store.base import Session, insist
from aqueue.store.questions import Verify
from aqueue.store.repair import Horizon
from aqueue.store.repairing import Repaired, repair
from aqueue.store.rows import TaskCount, Violation
from aqueue.store.spreading import Postpone, RetriesPage
from aqueue.store.survey import Faults, Now, Untaken
from aqueue.store.words import WORDS

__all__ = ["mend_verb"]

PAGE = 500
ROWS_SHOWN_MAX = 10


def mend_verb(options: Options) -> int:
    """Look, or mend, and say what was found. Raises what the store raises."""
    match options.verb:
        case "check":
            return _check(options)
        case "repair":
            return _repair(options)
        case _:
            return _spread(options)


def _check(options: Options) -> int:
    async def ask(session: Session) -> tuple[tuple[Violation, ...], tuple[str, ...], tuple[TaskCount, ...], int]:
        grace_ms = round(options.grace * 1000)
        faults, untaken = await session.perform(Faults()), await session.perform(Untaken(grace_ms))
        return await session.perform(Verify(grace_ms, 0)), faults, untaken, await session.perform(Now())

    violations, faults, untaken, now = on_store(options.store, ask, writes=False)
    lines = [f"storage: {clean(fault, 300)}" for fault in faults]
    for violation in violations:
        lines += [_violated(violation), f"    {WORDS[violation.invariant].remedy}"]
    is_whole = not violations and not faults
    text = (
        f"every invariant holds ({len(WORDS) - 1} were asked; L2 needs the workers)" if is_whole else "\n".join(lines)
    )
    record = {
        "holds": is_whole,
        "violations": [_violation_record(violation) for violation in violations],
        "storage_faults": list(faults),
        "untaken": untaken_record(untaken),
    }
    if untaken:  # no invariant of what is stored: a queue may wait for its workers
        text += "\n" + untaken_words(untaken, now, options.grace)
    put(text, record, as_json=options.json)
    return FINE if is_whole else FOUND


def _violated(violation: Violation) -> str:
    name, _, _ = violation.invariant.partition("_")
    meaning = WORDS[violation.invariant]
    shown = ", ".join(_row_words(row) for row in violation.rows[:ROWS_SHOWN_MAX])
    more = len(violation.rows) - ROWS_SHOWN_MAX
    return f"{name}: {meaning.violated}: {meaning.rows} {shown}" + (f" and {more} more" if more > 0 else "")


def _row_words(row: tuple[object, ...]) -> str:
    return clean("/".join(str(value) for value in row), 80)


def _violation_record(violation: Violation) -> dict[str, Any]:
    meaning = WORDS[violation.invariant]
    return {
        "invariant": violation.invariant,
        "violated": meaning.violated,
        "names": meaning.rows,
        "rows": [[value if isinstance(value, int | str) else str(value) for value in row] for row in violation.rows],
        "remedy": meaning.remedy,
    }


def _repair(options: Options) -> int:
    horizon = Horizon(round(options.run_horizon * 1000), round(options.lease_horizon * 1000))

    async def visit(session: Session) -> Repaired:
        return await repair(
            session, random=Random(), grace_ms=round(options.grace * 1000), dry_run=options.dry_run, horizon=horizon
        )

    done = on_store(options.store, visit, writes=not options.dry_run)
    put(_repaired_text(done, dry_run=options.dry_run), _repaired_record(done, options), as_json=options.json)
    return FINE if done.is_whole and not (options.dry_run and done.cures) else FOUND


def _repaired_text(done: Repaired, *, dry_run: bool) -> str:
    parts: list[str] = []
    if done.cures:
        head = "would be done" if dry_run else "done"
        parts.append(table(("JOB", head.upper()), [(cure.job_id, "; ".join(cure.cures)) for cure in done.cures]))
    left = [f"job {each.job_id}: {clean(each.why, 300)}" for each in done.incurable]
    left += [f"{_violated(each.violation)}\n    {each.why}" for each in done.leftovers]
    left += [
        f"storage: {clean(fault, 300)}\n    keep a copy of the file, then restore a backup, or use sqlite3 .recover"
        for fault in done.faults
    ]
    if left:
        parts.append("not repairable:\n" + "\n".join(left))
    return "\n\n".join(parts) or "nothing to repair"


def _repaired_record(done: Repaired, options: Options) -> dict[str, Any]:
    return {
        "dry_run": options.dry_run,
        "cures": [{"job": cure.job_id, "cures": list(cure.cures)} for cure in done.cures],
        "not_repairable": [{"job": each.job_id, "why": each.why} for each in done.incurable],
        "violations": [_violation_record(each.violation) for each in done.leftovers],
        "storage_faults": list(done.faults),
    }


def _spread(options: Options) -> int:
    over_ms, random = round(options.over * 1000), Random()

    async def visit(session: Session) -> int:
        moved, last = 0, 0
        while True:
            retries, page_end = await session.perform(RetriesPage(last, PAGE))
            chosen = [row for row in retries if options.task in ("", row.task)]
            delays = {(row.id, row.life.attempt): random.randint(0, over_ms) for row in chosen}
            if delays:
                moved += await insist(session, Postpone(delays), random=random)
            if page_end is None:
                return moved
            last = page_end

    moved = on_store(options.store, visit, writes=True)
    put(f"{moved} retries spread over {span(over_ms)}", {"spread": moved, "over_ms": over_ms}, as_json=options.json)
    return FINE
