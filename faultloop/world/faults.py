"""The network's faults as questions: which operation is struck, and how hard. Pure: it is given what answers.

For each kind that is allowed there is one question at its first occasion: how many occasions from here is it struck?
Answer 0 is never, and most answers a person meets are that one: a trace keeps one pick a fault, however long the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from faultloop.errors import UsageError
from faultloop.model.faults import NANOSECONDS

PREFIX: Final = "net:"
KINDS: Final = {
    "net:refuse": "a connection is refused",
    "net:dns": "a name is not resolved",
    "net:latency": "a segment or a datagram comes late",
    "net:reset": "a connection is reset",
    "net:halfopen": "the other end of a connection is gone, and nobody says so",
    "net:slow": "a link becomes narrow",
    "net:partition": "two hosts no longer reach each other, for a while",
    "net:loss": "a datagram is lost",
    "net:reorder": "a datagram comes after a later one",
    "net:duplicate": "a datagram comes twice",
}
HORIZON: Final = 64
"""Among how many occasions of its kind a fault strikes one."""
MOST: Final = 2
"""How often one kind strikes in one run, at most."""
_MILLISECOND: Final = NANOSECONDS // 1000
LATE: Final = (10 * _MILLISECOND, 100 * _MILLISECOND, NANOSECONDS, 10 * NANOSECONDS)
"""How late what is late comes, in nanoseconds."""
PARTED: Final = (NANOSECONDS, 10 * NANOSECONDS, 60 * NANOSECONDS)
"""How long a partition lasts, in nanoseconds."""
NARROW: Final = (100_000, 10_000, 1_000)
"""Bytes a second of a link that became narrow."""


def read_network_faults(kinds: Iterable[str]) -> tuple[str, ...]:
    """The kinds asked for, sorted and each once; `net` is all of them. Raises UsageError (FL514) for an unknown one."""
    wanted: set[str] = set()
    for kind in kinds:
        name = kind.strip()
        if name == "net":
            wanted.update(KINDS)
        elif name in KINDS:
            wanted.add(name)
        else:
            raise UsageError(f'there is no network fault "{name}"; there are {", ".join(KINDS)}', code="FL514")
    return tuple(sorted(wanted))


def is_network_fault(kind: object) -> bool:
    """Whether a fault asked for by name is one of the network's."""
    return isinstance(kind, str) and (kind.strip() == "net" or kind.strip().startswith(PREFIX))


def network_faults_in(faults: Iterable[object]) -> tuple[str, ...]:
    """Those of the faults asked for that are the network's."""
    return tuple(fault for fault in faults if isinstance(fault, str) and is_network_fault(fault))


class Questions:
    """What is asked about the network in one run. choose: answers with a number below the options; 0 is calm."""

    def __init__(self, kinds: Iterable[str], choose: Callable[[int], int]) -> None:
        self._choose = choose
        self._left = dict.fromkeys(kinds, MOST)
        self._countdown: dict[str, int] = {}

    def strikes(self, kind: str) -> bool:
        """Whether this occasion of a kind is struck."""
        left = self._left.get(kind, 0)
        if not left:
            return False
        count = self._countdown.get(kind)
        if count is None:
            count = self._choose(HORIZON)
            if not count:
                self._left[kind] = 0
                return False
        self._countdown[kind] = count - 1
        if count > 1:
            return False
        del self._countdown[kind]
        self._left[kind] = left - 1
        return True

    def one_of(self, amounts: tuple[int, ...]) -> int:
        """How hard: the mildest is answer 0."""
        return amounts[self._choose(len(amounts))]
