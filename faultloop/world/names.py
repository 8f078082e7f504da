"""What functions of `socket` and `select` are while a run lasts: the class, and who looks up names or what is ready.

They ask the network of the run that this thread is in; in any other thread, and for what that network leaves to this
machine, they are the operating system's.
"""

from __future__ import annotations

import select
import socket as real
import threading
from types import ModuleType
from typing import Any

from faultloop.drivers.boundary import declare
from faultloop.world import readiness
from faultloop.world.hosts import canonical, is_loopback
from faultloop.world.running import running_network
from faultloop.world.sockets import Socket

_ASKED = ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr", "getnameinfo")
_originals: dict[str, Any] = {name: getattr(real, name) for name in ("socket", *_ASKED)}
_original_waits: dict[str, Any] = {name: getattr(select, name) for name in ("select", "poll") if hasattr(select, name)}
_lending = threading.Lock()
_borrowers = 0

declare(
    ", ".join(f"socket.{name}" for name in _ASKED),
    "controlled",
    "as far as a simulated network goes",
    'io="loopback", "real"',
)
declare(
    "a blocking call on a simulated socket that would wait",
    "refused",
    "FL303",
    'a socket that does not block, or io="loopback"',
)
declare("dup and detach of a simulated socket", "refused", "FL304", 'io="loopback"')
declare("look-ups and sockets that block, in other threads or without a simulated network", "through", "real")
declare("socket.gethostname, os.getpid", "through", "the machine's")


def getaddrinfo(host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0) -> list[Any]:
    """What `socket.getaddrinfo` names while a run lasts."""
    network = running_network()
    if network is None or not network.simulates(host):
        found: list[Any] = _originals["getaddrinfo"](host, port, family, type, proto, flags)
        return found
    return network.resolve(host, port, family, type, proto, flags)


def gethostbyname(hostname: str, /) -> str:
    """The first IPv4 address of a name."""
    network = running_network()
    if network is None or not network.simulates(hostname):
        return str(_originals["gethostbyname"](hostname))
    return _addresses(network, hostname)[0]


def gethostbyname_ex(hostname: str, /) -> tuple[str, list[str], list[str]]:
    """A name, its other names, and its IPv4 addresses."""
    network = running_network()
    if network is None or not network.simulates(hostname):
        found: tuple[str, list[str], list[str]] = _originals["gethostbyname_ex"](hostname)
        return found
    return hostname, [], _addresses(network, hostname)


def gethostbyaddr(ip_address: str, /) -> tuple[str, list[str], list[str]]:
    """The name of an address, its other names, and its addresses. Raises herror where nobody has it."""
    network = running_network()
    if network is None or not network.simulates(ip_address):
        found: tuple[str, list[str], list[str]] = _originals["gethostbyaddr"](ip_address)
        return found
    (address, *_) = network.resolve(ip_address, 0, type=real.SOCK_STREAM)[0][4]
    if (name := _name_of(network, address)) is None:
        raise real.herror(1, "Unknown host")
    return name, [], [address]


def getnameinfo(sockaddr: Any, flags: int, /) -> tuple[str, str]:
    """The name and the service of an address. Raises gaierror where a name is required and there is none."""
    network = running_network()
    if network is None or not network.simulates(sockaddr[0]):
        found: tuple[str, str] = _originals["getnameinfo"](sockaddr, flags)
        return found
    service = str(_originals["getnameinfo"](("127.0.0.1", sockaddr[1]), flags | real.NI_NUMERICHOST)[1])
    address = canonical(sockaddr[0])
    name = None if flags & real.NI_NUMERICHOST else _name_of(network, address)
    if name is None and flags & real.NI_NAMEREQD:
        raise real.gaierror(real.EAI_NONAME, "Name or service not known")
    return name or address, service


def _addresses(network: Any, name: str) -> list[str]:
    return [str(row[4][0]) for row in network.resolve(name, 0, family=real.AF_INET, type=real.SOCK_STREAM)]


def _name_of(network: Any, address: str) -> str | None:
    if is_loopback(address):
        return "localhost"
    host = network.hosts.named(address)
    return None if host is None else str(host.name)


_LENT: dict[str, Any] = {
    "socket": Socket,
    "getaddrinfo": getaddrinfo,
    "gethostbyname": gethostbyname,
    "gethostbyname_ex": gethostbyname_ex,
    "gethostbyaddr": gethostbyaddr,
    "getnameinfo": getnameinfo,
}


_WAITS: dict[str, Any] = {"select": readiness.select, "poll": readiness.poll}


def lend() -> None:
    """Have the modules `socket` and `select` name them from now on, until as many have called `give_back`."""
    global _borrowers
    with _lending:
        _borrowers += 1
        if _borrowers == 1:
            _put(real, _LENT)
            _put(select, {name: _WAITS[name] for name in _original_waits})


def give_back() -> None:
    """This caller no longer needs them."""
    global _borrowers
    with _lending:
        _borrowers -= 1
        if not _borrowers:
            _put(real, _originals)
            _put(select, _original_waits)


def _put(module: ModuleType, named: dict[str, Any]) -> None:
    for name, function in named.items():
        setattr(module, name, function)
