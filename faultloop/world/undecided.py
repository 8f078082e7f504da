"""A socket whose kernel is not known yet, because no address has been said: what it is, and what it was told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faultloop.world.network import Network


@dataclass(slots=True)
class Undecided:
    """What a socket was told before its address was known."""

    network: Network
    family: int
    kind: int
    proto: int
    options: list[tuple[int, int, int | bytes]] = field(default_factory=list[tuple[int, int, int | bytes]])
