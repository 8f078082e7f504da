"""Names of the simulated network. The operating system only helps with the form of an answer, never with a name."""

from __future__ import annotations

import socket as real
from typing import Any

from faultloop.errors import EscapeRefused
from faultloop.world.hosts import WILDCARDS, Hosts, canonical, is_loopback

real_getaddrinfo = real.getaddrinfo
_LOOPBACK_NAME = "localhost"


class Resolver:
    """getaddrinfo over a host table."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts

    def is_own(self, host: Any) -> bool:
        """Whether a name or address is the loopback of whoever asks, or all of its addresses."""
        name = _text(host)
        if name == "" or _is_local_name(name):
            return True
        try:
            address = canonical(name)
        except ValueError:
            return False
        return is_loopback(address) or address in WILDCARDS

    def is_numeric(self, host: Any) -> bool:
        """Whether there is nothing to resolve."""
        try:
            canonical(_text(host) or "::")
        except ValueError:
            return False
        return True

    def resolve(self, host: Any, port: Any, family: int, type: int, proto: int, flags: int) -> list[Any]:
        """As socket.getaddrinfo. A name that somebody wants to serve under (AI_PASSIVE) becomes known."""
        name = _text(host)
        if name == "":
            return real_getaddrinfo(None, port, family, type, proto, flags)  # asks nobody
        addresses: tuple[str, ...]
        if self.is_numeric(name):
            addresses = (name,)
        elif _is_local_name(name):
            addresses = ("127.0.0.1",)
        else:
            found = self._hosts.named(name)
            if found is None and flags & real.AI_PASSIVE:
                found = self._hosts.add(name)
            if found is None:
                raise self.refusal(name)
            addresses = found.addresses
        return _in_form(addresses, port, family, type, proto, flags)

    def refusal(self, host: Any) -> EscapeRefused:
        """The word about a host that nobody on the network is."""
        known = ", ".join(self._hosts.names)
        return EscapeRefused(
            f"the program connects to {_text(host)}: no host of the simulated network has this name"
            + (f" (there are {known})" if known else "")
            + f'. Serve it in the scenario, asyncio.start_server(…, "{_text(host)}", …), make it known with '
            "faultloop.world.host(…), or use 127.0.0.1"
        )


def _text(host: Any) -> str:
    if host is None:
        return ""
    return host.decode("ascii", "replace") if isinstance(host, bytes | bytearray) else str(host)


def _is_local_name(name: str) -> bool:
    lower = name.lower()
    return lower == _LOOPBACK_NAME or lower.endswith(".localhost") or name == real.gethostname()


def _in_form(addresses: tuple[str, ...], port: Any, family: int, type: int, proto: int, flags: int) -> list[Any]:
    found: list[Any] = []
    failed: OSError | None = None
    for address in addresses:
        try:
            found += real_getaddrinfo(address, port, family, type, proto, flags | real.AI_NUMERICHOST)
        except real.gaierror as error:  # of another family
            failed = error
    if not found:
        raise failed or real.gaierror(real.EAI_NONAME, "Name or service not known")
    return found
