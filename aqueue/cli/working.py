"""The command `work`: a queue's worker as a program."""

from __future__ import annotations

import logging
from functools import partial

import anyio
import structlog

from aqueue.cli.arguments import Options
from aqueue.cli.codes import FINE
from aqueue.cli.loading import load_queue
from aqueue.errors import BadCommand

__all__ = ["work"]


def work(options: Options) -> int:
    """Run until SIGINT or SIGTERM. Raises what opening the store raises, and WorkerStopped."""
    queue = load_queue(options.target)
    if not structlog.is_configured() and not logging.getLogger().handlers:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    run = partial(queue.run, concurrency=options.concurrency, drain=options.drain, bury_unknown=options.bury_unknown)
    try:
        anyio.run(run, backend=options.backend)
    except ImportError as error:
        if error.name != options.backend:
            raise
        raise BadCommand(
            f"{options.backend} is not installed", expected="it, for --backend", advice="pip install 'faultloop[trio]'"
        ) from error
    return FINE
