"""Which network the run in this thread has."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faultloop.world.network import Network

running: dict[int, Network] = {}
"""The network of the loop that runs in each thread."""


def running_network() -> Network | None:
    """The network of the run that this thread is in."""
    return running.get(threading.get_ident())
