"""The commands that look: ps, show, stats, cron list and missed, dead list and show. And cron remove."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from aqueue.cli.arguments import Options
from aqueue.cli.codes import FINE
from aqueue.cli.loading import on_store
from aqueue.cli.output import put
from aqueue.cli.records import arguments_of, event_record, job_record, json_or_text
from aqueue.cli.text import clean, moment, span, table
from aqueue.cli.untaken import untaken_record, untaken_words
from aqueue.errors import BadCommand, UnknownJob
from aqueue.store.base import Session
from aqueue.store.rows import BreakerRow, FireRow, LimitRow, ProgressRow, ScheduleRow, TaskCount
from aqueue.store.schedules import Missed, Schedules, Unschedule
from aqueue.store.survey import History, Now, Remembered, Statistics, Stats, Untaken, Workload, Works

__all__ = ["show_job", "show_verb"]

_MOVED = ("enqueued", "claimed", "succeeded", "failed", "rescued", "released", "buried", "cancelled", "redriven")


def show_verb(options: Options) -> int:
    """Ask the store and write what it says. Raises what the store raises."""
    verbs: dict[str, Callable[[Options], int]] = {"ps": _ps, "show": show_job, "stats": _stats, "cron": _cron}
    assert options.verb is not None
    return verbs[options.verb](options)


def _ps(options: Options) -> int:
    async def ask(session: Session) -> Works:
        return await session.perform(Workload(options.limit))

    works = on_store(options.store, ask, writes=False)
    put(_works_text(works), _works_record(works), as_json=options.json)
    return FINE


def _works_text(works: Works) -> str:
    now = works.now
    running = [
        (
            row.life.worker, row.id, row.task, row.life.attempt, "–" if since is None else span(now - since),
            _lease(row.life.lease_until, now), "yes" if row.life.cancel_at is not None else "",
        )
        for row, since in sorted(works.running, key=lambda each: (each[0].life.worker or "", each[0].id))
    ]  # fmt: skip
    due = [
        (row.id, row.task, row.priority, f"{row.life.failures}/{row.life.max_attempts}", moment(row.life.run_at, now))
        for row in works.due
    ]
    parts = [f"{len(running)} running"]
    if running:
        parts.append(table(("WORKER", "JOB", "TASK", "ATTEMPT", "FOR", "LEASE LEFT", "CANCEL"), running))
    parts.append(f"{len(due)} due")
    if due:
        parts.append(table(("JOB", "TASK", "PRIORITY", "FAILED", "DUE"), due))
    return "\n\n".join(parts)


def _lease(until: int | None, now: int) -> str:
    if until is None:
        return "–"
    return span(until - now) if until >= now else f"ran out {span(now - until)} ago"


def _works_record(works: Works) -> dict[str, Any]:
    return {
        "now": works.now,
        "running": [job_record(row) | {"claimed_at": since} for row, since in works.running],
        "due": [job_record(row) for row in works.due],
    }


def show_job(options: Options) -> int:
    """One job with its history, also one that was purged. Raises UnknownJob."""

    async def ask(session: Session) -> Remembered | None:
        return await session.perform(History(options.job))

    known = on_store(options.store, ask, writes=False)
    if known is None:
        raise UnknownJob(
            f"there is no job {options.job}",
            expected="the number of a job of this store",
            advice="check the store's URL",
        )
    put(_job_text(options.job, known), _job_record(options.job, known), as_json=options.json)
    return FINE


def _job_record(job_id: int, known: Remembered) -> dict[str, Any]:
    history = [event_record(event) for event in known.events]
    if known.job is None:
        return {"now": known.now, "id": job_id, "state": "purged", "history": history}
    row = known.job
    own = (
        job_record(row) | arguments_of(row) | {"result": json_or_text(row.result), "headers": json_or_text(row.headers)}
    )
    said = None if known.progress is None else json_or_text(known.progress.value)
    return {"now": known.now} | own | {"progress": said, "history": history}


def _job_text(job_id: int, known: Remembered) -> str:
    now, row = known.now, known.job
    lines: list[tuple[str, object]] = []
    if row is None:
        lines.append((f"job {job_id}", "purged; only its log is left"))
    else:
        life, called = row.life, arguments_of(row)
        lines += [
            (f"job {row.id}", f"{row.task}, {life.state}" + (f" ({life.dead_reason})" if life.dead_reason else "")),
            ("called with", called.get("undecodable") or msgspec.json.encode(called).decode()),
            (
                "tries",
                f"attempt {life.attempt}, {life.failures} of {life.max_attempts} failures, {life.redrives} redrives",
            ),
            ("enqueued", moment(row.created_at, now)),
        ]
        optional: dict[str, object] = {
            "due": moment(life.run_at, now) if life.state == "pending" else None,
            "deadline": None if row.deadline is None else moment(row.deadline, now),
            "order key": row.order_key,
            "unique key": row.unique_key,
            "worker": life.worker,
            "lease left": None if life.lease_until is None else _lease(life.lease_until, now),
            "progress": None if known.progress is None else _progress_words(known.progress, now),
            "cancel asked": None if life.cancel_at is None else moment(life.cancel_at, now),
            "ended": None if life.finished_at is None else moment(life.finished_at, now),
            "error": row.error,
            "result": None if row.result is None else row.result.decode("utf-8", "backslashreplace"),
        }
        lines += [(name, value) for name, value in optional.items() if value is not None]
    facts = "\n".join(f"{name:<13}{clean(value, 2000)}" for name, value in lines)
    history = [(moment(event.at, now), event.kind, event.attempt, event.worker, event.detail) for event in known.events]
    return f"{facts}\n\n{table(('WHEN', 'EVENT', 'ATTEMPT', 'WORKER', 'DETAIL'), history)}"


def _progress_words(said: ProgressRow, now: int) -> str:
    value = said.value.decode("utf-8", "backslashreplace")
    return f"{value}, said in attempt {said.attempt}, {moment(said.at, now)}"


def _stats(options: Options) -> int:
    async def ask(session: Session) -> tuple[Statistics, tuple[TaskCount, ...]]:
        untaken = await session.perform(Untaken(round(options.grace * 1000)))
        return await session.perform(Stats(round(options.window * 1000))), untaken

    found, untaken = on_store(options.store, ask, writes=False)
    text = _stats_text(found, options.window)
    if untaken:
        text += "\n\n" + untaken_words(untaken, found.now, options.grace)
    record = _stats_record(found, options.window) | {"untaken": untaken_record(untaken)}
    put(text, record, as_json=options.json)
    return FINE


def _stats_text(found: Statistics, window: float) -> str:
    depth = [
        (
            each.task,
            each.state,
            each.count,
            each.due or "",
            "" if each.oldest_due is None else span(found.now - each.oldest_due),
        )
        for each in found.tasks
    ]
    rates = [
        (task or "(purged)", *(counts.get(kind, "") for kind in _MOVED))
        for task, counts in _by_task(found.events).items()
    ]
    parts = [table(("TASK", "STATE", "JOBS", "DUE", "OLDEST DUE"), depth) if depth else "no jobs"]
    parts.append(f"in the last {span(round(window * 1000))}:")
    parts.append(table(("TASK", *(kind.upper() for kind in _MOVED)), rates) if rates else "nothing happened")
    if found.limits:
        rows = [(limit.scope, _limit_words(limit)) for limit in found.limits]
        parts.append(table(("LIMIT", "NOW"), rows))
    if found.breakers:
        rows = [
            (each.name, f"{each.state}, {each.failures} failures in a row, {_since(each, found.now)}")
            for each in found.breakers
        ]
        parts.append(table(("BREAKER", "NOW"), rows))
    return "\n\n".join(parts)


def _since(breaker: BreakerRow, now: int) -> str:
    return f"since {moment(breaker.changed_at, now)}" if breaker.changed_at else "never opened"


def _by_task(events: Mapping[tuple[str, Any], int]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for (task, kind), count in events.items():
        found.setdefault(task, {})[kind] = count
    return found


def _limit_words(limit: LimitRow) -> str:
    words = ["paused"] if limit.paused else []
    if limit.max_running is not None:
        words.append(f"at most {limit.max_running} running")
    if limit.max_pending is not None:
        words.append(f"at most {limit.max_pending} pending")
    if limit.gain is not None:
        words.append(f"{limit.gain * 1000 / limit.cost:g}/s, bucket at {limit.level / limit.cost:.1f} of {limit.burst}")
    if limit.breaker is not None:
        words.append(f"behind breaker {limit.breaker}")
    return ", ".join(words) or "none"


def _stats_record(found: Statistics, window: float) -> dict[str, Any]:
    return {
        "now": found.now,
        "window_seconds": window,
        "depth": [
            {"task": each.task, "state": each.state, "jobs": each.count, "due": each.due, "oldest_due": each.oldest_due}
            for each in found.tasks
        ],
        "events": _by_task(found.events),
        "limits": [msgspec.to_builtins(each) for each in found.limits],
        "breakers": [msgspec.to_builtins(each) for each in found.breakers],
    }


def _cron(options: Options) -> int:
    if options.action == "remove":
        return _remove(options)
    if options.action == "list":
        return _list_schedules(options)

    async def ask(session: Session) -> tuple[tuple[FireRow, ...], int]:
        return await session.perform(Missed(options.limit)), await session.perform(Now())

    missed, now = on_store(options.store, ask, writes=False)
    rows = [(fire.name, moment(fire.fire_at, now)) for fire in missed]
    text = table(("SCHEDULE", "TIME THAT MADE NO JOB"), rows) if rows else "no time was missed"
    record = [{"name": fire.name, "fire_at": fire.fire_at} for fire in missed]
    put(text, {"now": now, "missed": record}, as_json=options.json)
    return FINE


def _list_schedules(options: Options) -> int:
    async def ask(session: Session) -> tuple[tuple[ScheduleRow, ...], int]:
        return await session.perform(Schedules()), await session.perform(Now())

    schedules, now = on_store(options.store, ask, writes=False)
    rows = [(each.name, each.cron, each.tz, each.catchup, moment(each.next_at, now)) for each in schedules]
    text = table(("SCHEDULE", "CRON", "ZONE", "CATCHUP", "NEXT"), rows) if rows else "no schedules"
    record = [
        {"name": each.name, "cron": each.cron, "tz": each.tz, "catchup": each.catchup, "next_at": each.next_at}
        for each in schedules
    ]
    put(text, {"now": now, "schedules": record}, as_json=options.json)
    return FINE


def _remove(options: Options) -> int:
    async def ask(session: Session) -> bool:
        return await session.perform(Unschedule(options.name))

    if not on_store(options.store, ask, writes=True):
        raise BadCommand(
            f"there is no schedule {options.name!r}", expected="one of `aqueue cron list`", advice="correct the name"
        )
    put(f"removed schedule {clean(options.name, 80)}", {"removed": options.name}, as_json=options.json)
    return FINE
