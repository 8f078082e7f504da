"""The commands that move jobs: cancel, and those of the dead letter.

One job, one transaction; what is skipped is said.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from random import Random
from typing import Any, TypeAlias

import anyio

from aqueue.cli.arguments import Options
from aqueue.cli.codes import FINE, FOUND
from aqueue.cli.loading import on_store
from aqueue.cli.output import put
from aqueue.cli.records import event_record, job_record
from aqueue.cli.showing import show_job
from aqueue.cli.text import moment, table
from aqueue.errors import BadCommand, UnknownJob
from aqueue.store.base import Session, insist
from aqueue.store.deadletter import DeadPage, Park, Purge, Unpark, came_back_with_the_same_error, is_parked
from aqueue.store.operations import Cancel, Redrive
from aqueue.store.rows import Event, JobRow
from aqueue.store.survey import History, Now

__all__ = ["move_verb"]

PAGE = 200
_Dead: TypeAlias = tuple[JobRow, tuple[Event, ...]]
_Move: TypeAlias = Callable[[Session, _Dead], Coroutine[object, object, str | None]]


def move_verb(options: Options) -> int:
    """Do what the command says, job by job. Raises what the store raises."""
    if options.verb == "cancel":
        return _cancel(options)
    match options.action:
        case "list":
            return _list_dead(options)
        case "show":
            return show_job(options)
        case "redrive":
            return _each(options, "redriven", _redrive(options))
        case "park":
            return _each(options, "taken back" if options.undo else "parked", _park(options))
        case _:
            if not options.yes:
                raise BadCommand(
                    "purge removes jobs for good", expected="--yes", advice="look at them with `aqueue dead list` first"
                )
            return _each(options, "purged", _purge)


def _cancel(options: Options) -> int:
    async def ask(session: Session) -> dict[int, str | None]:
        return {job: await insist(session, Cancel(job), random=Random()) for job in options.jobs}

    states = on_store(options.store, ask, writes=True)
    words = {
        "cancelled": "cancelled",
        "running": "asked to stop; its worker hears of it when it renews its lease",
        None: "there is no such job",
    }
    rows = [(job, words.get(state, f"has ended before: {state}")) for job, state in states.items()]
    put(table(("JOB", "NOW"), rows), {"jobs": {str(job): state for job, state in states.items()}}, as_json=options.json)
    if all(state is None for state in states.values()):
        raise UnknownJob("none of these jobs is in the store", expected="numbers of its jobs", advice="check its URL")
    return FINE if all(state in ("cancelled", "running") for state in states.values()) else FOUND


def _list_dead(options: Options) -> int:
    async def ask(session: Session) -> tuple[list[_Dead], int]:
        return await _selected(session, options), await session.perform(Now())

    found, now = on_store(options.store, ask, writes=False)
    rows = [
        (
            row.id,
            row.task,
            row.life.dead_reason,
            moment(row.life.finished_at, now),
            row.life.attempt,
            row.life.redrives,
            row.error,
        )
        for row, _ in found
    ]
    text = (
        table(("JOB", "TASK", "REASON", "DEAD SINCE", "ATTEMPT", "REDRIVES", "ERROR"), rows) if rows else "no dead jobs"
    )
    record = [job_record(row) | {"history": [event_record(event) for event in log]} for row, log in found]
    put(text, {"now": now, "dead": record}, as_json=options.json)
    return FINE


async def _selected(session: Session, options: Options) -> list[_Dead]:
    """Dead jobs of the task that was named, lowest id first, up to the limit."""
    found: list[_Dead] = []
    last: int | None = 0
    while last is not None and len(found) < options.limit:
        page = await session.perform(DeadPage(last, PAGE))
        found += [each for each in page if options.task in ("", each[0].task)]
        last = page[-1][0].id if page else None
    return found[: options.limit]


def _each(options: Options, done_word: str, move: _Move) -> int:
    """Move the jobs that were named, or all; report what was done and what was skipped."""
    if bool(options.jobs) == options.every:
        raise BadCommand(
            "it must be said which jobs", expected="numbers of jobs, or --all", advice="see `aqueue dead list`"
        )
    if options.jobs and options.task:
        raise BadCommand("--task goes with --all", expected="one of both", advice="leave one out")

    async def visit(session: Session) -> tuple[list[int], dict[int, str]]:
        done, skipped = list[int](), dict[int, str]()
        chosen = await _selected(session, options) if options.every else []
        for job in options.jobs:
            known = await session.perform(History(job))
            if known is None or known.job is None or known.job.life.state != "dead":
                skipped[job] = _no_dead_job(known.job.life.state if known and known.job else known)
            else:
                chosen.append((known.job, known.events))
        for place, each in enumerate(chosen):
            if place and options.rate:
                await anyio.sleep(1 / options.rate)
            why = await move(session, each)
            if why is None:
                done.append(each[0].id)
            else:
                skipped[each[0].id] = why
        return done, skipped

    done, skipped = on_store(options.store, visit, writes=True)
    return _report(options, done_word, done, skipped)


def _no_dead_job(known: Any) -> str:
    if known is None:
        return "there is no such job"
    return f"it is {known}, not dead" if isinstance(known, str) else "it was purged before"


def _report(options: Options, done_word: str, done: list[int], skipped: dict[int, str]) -> int:
    text = f"{done_word}: {len(done)} of {len(done) + len(skipped)}"
    if skipped:
        text += "\n\n" + table(("SKIPPED", "WHY"), list(skipped.items()))
    record = {done_word.replace(" ", "_"): done, "skipped": {str(job): why for job, why in skipped.items()}}
    put(text, record, as_json=options.json)
    return FOUND if skipped else FINE


def _redrive(options: Options) -> _Move:
    async def move(session: Session, dead: _Dead) -> str | None:
        row, log = dead
        if is_parked(row):
            return "it is parked; `aqueue dead park --undo` takes it back"
        if not options.force and came_back_with_the_same_error(log):
            return "it was redriven before and died of the same error; mend the cause, then --force"
        return await insist(session, Redrive(row.id, row.life.attempt), random=Random())

    return move


def _park(options: Options) -> _Move:
    async def move(session: Session, dead: _Dead) -> str | None:
        job, attempt = dead[0].id, dead[0].life.attempt
        return await insist(session, Unpark(job, attempt) if options.undo else Park(job, attempt), random=Random())

    return move


async def _purge(session: Session, dead: _Dead) -> str | None:
    return await insist(session, Purge(dead[0].id, dead[0].life.attempt), random=Random())
