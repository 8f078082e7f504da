"""The command `work`: a queue's worker as a program."""

from __future__ import annotations

import importlib
import logging
from functools import partial

import anyio
import structlog

from aqueue.cli.arguments import Options
from aqueue.cli.codes import FINE
from aqueue.cli.loading import load_queue
from aqueue.errors import MissingExtra

__all__ = ["work"]


def work(options: Options) -> int:
    """Run until SIGINT or SIGTERM. Raises what opening the store raises, WorkerStopped and MissingExtra."""
    queue = load_queue(options.target)
    if not structlog.is_configured() and not logging.getLogger().handlers:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    run = partial(queue.run, concurrency=options.concurrency, drain=options.drain, bury_unknown=options.bury_unknown)
    if options.backend == "trio":
        _assert_trio()
    anyio.run(run, backend=options.backend)
    return FINE


def _assert_trio() -> None:
    try:
        importlib.import_module("trio")  # what anyio says of a missing one is of no use here
    except ImportError as error:
        raise MissingExtra("--backend trio", "trio", "trio", error) from error
