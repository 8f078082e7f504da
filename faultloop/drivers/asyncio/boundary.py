"""Where a run's world ends: what the loop lets through, and what it refuses by name, with a way out."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

from faultloop.drivers.boundary import declare
from faultloop.errors import EscapeRefused

declare(
    "sockets and names of other hosts",
    "controlled",
    "a simulated network, io=auto",
    'io="simulated", "loopback", "real"',
)
declare(
    "hosts that nobody in the scenario serves",
    "refused",
    "FL301",
    "a server in the scenario, or world.host",
)
declare(
    "sockets of this machine",
    "through",
    "real, polled at every turn, by descriptor",
    'io="simulated"',
    on="asyncio",
)
declare("child processes, signals", "through", "real, best effort: waited for when nothing else can run")


def refuse_foreign_host(host: Any) -> None:
    """Raise EscapeRefused (FL301) for a host that is not this machine."""
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    if not isinstance(name, str) or name in ("", "localhost") or name.endswith(".localhost"):
        return
    try:
        is_here = ipaddress.ip_address(name.partition("%")[0]).is_loopback or name in ("0.0.0.0", "::")
    except ValueError:
        is_here = name == socket.gethostname()
    if not is_here:
        raise EscapeRefused(
            f"the program connects to {name}: a deterministic run has no network beyond this machine. "
            "Use a server on 127.0.0.1 or a fake"
        )
