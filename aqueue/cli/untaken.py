"""Tasks that no worker takes, in words: what `stats` and `check` say of them."""

from __future__ import annotations

from typing import Any

from aqueue.cli.text import clean, span
from aqueue.errors import UnknownTask
from aqueue.store.rows import TaskCount

__all__ = ["untaken_record", "untaken_words"]


def untaken_words(untaken: tuple[TaskCount, ...], now: int, grace: float) -> str:
    """One line for each task, and what it may mean."""
    lines = [
        f"nobody takes {clean(each.task, 80)}: {each.due} due, the first one for {span(now - (each.oldest_due or now))}"
        for each in untaken
    ]
    meaning = (
        f"    none was claimed within {span(round(grace * 1000))}: the workers that run do not know the task "
        f"({UnknownTask.code}), are busy with more urgent jobs, or there are none"
    )
    return "\n".join([*lines, meaning])


def untaken_record(untaken: tuple[TaskCount, ...]) -> list[dict[str, Any]]:
    """The same for machines."""
    return [{"task": each.task, "due": each.due, "oldest_due": each.oldest_due} for each in untaken]
