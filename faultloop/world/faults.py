"""The network's faults as questions: which operation is struck, and how hard. Pure: it is given what answers.

For each kind that is allowed there is one question: which of its occasions is struck? And then, which after that one?
Answer 0 is none, and for what can be mild or hard, another question says how hard. So a trace keeps a pick or two for
a fault, however many messages there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from faultloop.errors import UsageError
from faultloop.model.faults import NANOSECONDS

PREFIX: Final = "net:"
KINDS: Final = {
    "net:refuse": "a connection is refused",
    "net:dns": "a name is not resolved",
    "net:dnslatency": "a name is resolved late",
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
"""A fault strikes one of so many occasions of its kind, less one, or none."""
HORIZON_OF_CONNECTING: Final = 16
"""The same for what happens once a connection, not once a message: there are fewer occasions to find."""
MOST: Final = 2
"""How often one kind strikes in one run, at most."""
_MILLISECOND: Final = NANOSECONDS // 1000
LATE: Final = (10 * _MILLISECOND, 100 * _MILLISECOND, NANOSECONDS, 10 * NANOSECONDS)
"""How late what is late comes, in nanoseconds."""
PARTED: Final = (NANOSECONDS, 10 * NANOSECONDS, 60 * NANOSECONDS)
"""How long a partition lasts, in nanoseconds."""
NARROW: Final = (100_000, 10_000, 1_000)
"""Bytes a second of a link that became narrow."""
_OF_CONNECTING: Final = ("net:refuse", "net:dns", "net:dnslatency")
AMOUNTS: Final = {"net:latency": LATE, "net:dnslatency": LATE, "net:slow": NARROW, "net:partition": PARTED}
"""How hard a kind may strike, mildest first; the others know one way only."""


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
    """What is asked about the network in one run, all of it at its beginning.

    Later would be too late: a decider that looks answers step by step what one that draws answers turn by turn, and
    only a question that comes before the first turn has the same number under both.
    choose: answers with a number below the options; 0 is calm.
    """

    def __init__(self, kinds: Iterable[str], choose: Callable[[int], int]) -> None:
        self._due: dict[str, list[tuple[int, int]]] = {}
        """By kind, the strikes left: how many occasions after the one before, and how hard."""
        for kind in kinds:
            horizon = HORIZON_OF_CONNECTING if kind in _OF_CONNECTING else HORIZON
            strikes = list(_draw(AMOUNTS.get(kind, (0,)), horizon, choose))
            if strikes:
                self._due[kind] = strikes

    @property
    def is_calm(self) -> bool:
        """Whether nothing strikes any more."""
        return not self._due

    def strike(self, kind: str) -> int | None:
        """How hard this occasion of a kind is struck; 0 where there is only one way, None where it is not."""
        due = self._due.get(kind)
        if due is None:
            return None
        wait, amount = due[0]
        if wait > 1:
            due[0] = (wait - 1, amount)
            return None
        del due[0]
        if not due:
            del self._due[kind]
        return amount


def _draw(amounts: tuple[int, ...], horizon: int, choose: Callable[[int], int]) -> Iterator[tuple[int, int]]:
    for _ in range(MOST):
        wait = choose(horizon)
        if not wait:
            return
        yield wait, amounts[choose(len(amounts)) if len(amounts) > 1 else 0]
