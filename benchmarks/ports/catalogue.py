"""The ports by name, what the first prototype needed for them, and which are kept out while tuning.

`BASELINE`: median runs to the first failure of 20 trials of up to 2,000 runs, None where the median trial found
nothing, as measured with a throw-away prototype of each strategy before this project's own were written.
Held out: every third family in alphabetical order, so that no two sizes of one program stand on both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.ports import accounts, awaits, buffers, goker, lockfree, locking

Program = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Port:
    """A program of known size. family: programs that differ in size only."""

    name: str
    family: str
    program: Program


PORTS: dict[str, Port] = {}


def _add(family: str, program: Program, name: str = "") -> None:
    PORTS[name or family] = Port(name or family, family, program)


for _tasks in (3, 5, 10, 20, 50, 100):
    _add("reorder", partial(lockfree.reorder, _tasks), f"reorder_{_tasks}")
for _name, _tasks in (("twostage", 2), ("twostage_20", 20), ("twostage_100", 100)):
    _add("twostage", partial(locking.twostage, _tasks), _name)
for _name, _tasks in (("wronglock", 7), ("wronglock_3", 3)):
    _add("wronglock", partial(locking.wronglock, _tasks), _name)
for _tasks in (2, 3, 5, 7):
    _add("din_phil", partial(locking.dining_philosophers, _tasks), f"din_phil_{_tasks}")
for _length in (6, 12):
    _add("depth", partial(lockfree.depth, _length), f"depth_{_length}")
_add("workstealqueue", partial(lockfree.work_steal_queue, 3, 1))
_add("workstealqueue", partial(lockfree.work_steal_queue, 6, 2), "workstealqueue_6x2")
_add("bank_transfer", partial(accounts.bank_transfer, 2), "bank_transfer_2")
_add("account", accounts.account)
_add("circular_buffer", buffers.circular_buffer)
_add("stack", buffers.stack)
_add("queue", buffers.queue)
_add("lazy01", locking.lazy01)
_add("stringbuffer", buffers.stringbuffer)
_add("deadlock01", locking.deadlock01)
_add("bluetooth_driver", lockfree.bluetooth_driver)
_add("sync01", locking.sync01)
_add("safestack", lockfree.safestack)
_add("async_pbzip2", awaits.pbzip2)
_add("async_cache_stampede", awaits.cache_stampede)
_add("async_lost_event", awaits.lost_event)
_add("goker_cockroach_1055", goker.cockroach_1055)
_add("goker_etcd_6857", goker.etcd_6857)
_add("goker_etcd_7492", goker.etcd_7492)
_add("goker_kubernetes_10182", goker.kubernetes_10182)
_add("goker_kubernetes_58107", goker.kubernetes_58107)
_add("goker_serving_2137", goker.serving_2137)

HELD_OUT = frozenset(sorted({port.family for port in PORTS.values()})[2::3])
"""Families that were not looked at while the strategies were tuned."""

BASELINE_STRATEGIES = ("random", "pct3", "pos", "urw", "surw", "rff", "mix")

# fmt: off
BASELINE: dict[str, tuple[int | None, ...]] = {
    "reorder_3": (13, 9, 6, 9, 7, 3, 5),
    "reorder_5": (26, 25, 12, 11, 6, 6, 8),
    "reorder_10": (43, 98, 15, 15, 11, 5, 5),
    "reorder_20": (173, 406, 34, 18, 15, 4, 8),
    "reorder_50": (585, None, 96, 52, 87, 5, 8),
    "reorder_100": (1380, None, 96, 165, 128, 5, 8),
    "twostage": (14, 4, 8, 8, 9, 6, 9),
    "twostage_20": (84, 732, 18, 97, 47, 12, 29),
    "twostage_100": (951, None, 383, 457, 354, 8, 11),
    "wronglock": (1, 9, 2, 2, 1, 3, 3),
    "wronglock_3": (2, 6, 4, 1, 2, 4, 3),
    "account": (2, 4, 3, 2, 2, 2, 2),
    "bank_transfer_2": (1, 2, 1, 1, 1, 1, 1),
    "din_phil_2": (5, 8, 4, 3, 2, 2, 2),
    "din_phil_3": (30, 11, 53, 5, 6, 4, 4),
    "din_phil_5": (None, 357, None, 20, 11, 4, 11),
    "din_phil_7": (None, None, None, 129, 48, 6, 8),
    "circular_buffer": (3, 7, 5, 6, 6, 7, 7),
    "stack": (4, 7, 5, 3, 2, 7, 7),
    "queue": (3, 15, 5, 5, 3, 3, 4),
    "lazy01": (3, 2, 1, 2, 2, 1, 2),
    "workstealqueue": (9, 31, 8, 5, 4, 11, 9),
    "workstealqueue_6x2": (16, 11, 6, 3, 8, 7, 9),
    "stringbuffer": (7, 7, 5, 4, 3, 2, 3),
    "deadlock01": (5, 8, 2, 3, 2, 2, 2),
    "bluetooth_driver": (15, 11, 10, 7, 8, 6, 12),
    "sync01": (7, 3, 3, 9, 3, 2, 4),
    "safestack": (None, None, None, None, None, None, None),
    "depth_6": (28, None, 50, 20, 18, 33, 43),
    "depth_12": (None, None, None, 618, 919, None, 933),
    "async_pbzip2": (43, 1, 2, 6, 2, 2, 4),
    "async_cache_stampede": (13, 5, 3, 6, 2, 2, 3),
    "async_lost_event": (2, 6, 6, 4, 2, 3, 5),
    "goker_cockroach_1055": (6, 4, 2, 3, 3, 2, 2),
    "goker_etcd_6857": (3, 2, 2, 2, 6, 4, 3),
    "goker_etcd_7492": (7, 2, 4, 2, 2, 2, 3),
    "goker_kubernetes_10182": (8, 2, 2, 3, 3, 2, 2),
    "goker_kubernetes_58107": (26, 10, 6, 4, 4, 3, 4),
    "goker_serving_2137": (2, 1, 1, 1, 2, 1, 1),
}
# fmt: on
"""Per program, in the order of BASELINE_STRATEGIES."""

HARD = frozenset(name for name, row in BASELINE.items() if row[0] is None or row[0] >= 20)
"""Those for which the prototype's random walk needed at least 20 runs."""
