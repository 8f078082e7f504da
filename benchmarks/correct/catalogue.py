"""The correct programs by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from types import ModuleType
from typing import Any

from benchmarks.correct import (
    answers,
    ending,
    gathering,
    jobs,
    locks,
    network,
    pools,
    queues,
    services,
    structured,
    threads,
)
from failure_modes.catalogue import bundles
from failure_modes.proof import variants

Program = Callable[[], Coroutine[Any, Any, None]]

TOPICS = (pools, queues, locks, answers, ending, gathering, services, network, threads, structured, jobs)


def programs_of(topic: ModuleType) -> dict[str, Program]:
    """The programs of a module: its own async functions without arguments, in the order they are written."""
    return {
        name: value
        for name, value in vars(topic).items()
        if inspect.iscoroutinefunction(value)
        and value.__module__ == topic.__name__
        and not inspect.signature(value).parameters
    }


PROGRAMS: dict[str, Program] = {name: program for topic in TOPICS for name, program in programs_of(topic).items()}
if not queues.HAS_SHUTDOWN:
    del PROGRAMS["a_queue_is_shut_down"]

GUARDED: dict[str, Program] = {f"fm_{bundle.number}_guarded": variants(bundle).guarded for bundle in bundles()}
"""What holds in the catalogue of failure modes: 500 runs of each are a test of its own."""

WITH_THREADS = frozenset({"anyio_jobs_run_in_threads"})
"""Threads that this loop does not run inline: each run waits for real ones, and few fit into a second."""
