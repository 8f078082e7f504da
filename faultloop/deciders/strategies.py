"""Every strategy by its name."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from faultloop.deciders.bounded import Bounded
from faultloop.deciders.classes import Classes
from faultloop.deciders.dfs import Dfs
from faultloop.deciders.holding import Holding
from faultloop.deciders.learned import Learned
from faultloop.deciders.looking import Offers, Strategy
from faultloop.deciders.pct import Pct
from faultloop.deciders.portfolio import Portfolio
from faultloop.deciders.pos import Pos
from faultloop.deciders.rff import Rff
from faultloop.deciders.surw import Surw
from faultloop.deciders.unseen import Unseen
from faultloop.deciders.urw import Urw
from faultloop.deciders.walk import RandomWalk

STRATEGIES: dict[str, Callable[[Random], Strategy]] = {
    "auto": Portfolio,
    "random": RandomWalk,
    "pct1": lambda random: Pct(random, depth=1),
    "pct2": lambda random: Pct(random, depth=2),
    "pct3": lambda random: Pct(random, depth=3),
    "pos": Pos,
    "urw": Urw,
    "surw": Surw,
    "rff": Rff,
    "holding": Holding,
    "unseen": lambda random: Unseen(Urw(random)),
    "preemption": lambda _: Bounded("preemption"),
    "delay": lambda _: Bounded("delay"),
    "delay-fifo": lambda _: Bounded("delay-fifo"),
    "dfs": lambda _: Dfs(),
    "dfs-sleep": lambda _: Dfs(sleeps=True),
}
"""Makes a strategy from a source of chance, for picks that offer all that is ready; the systematic ones use none."""

SYSTEMATIC = frozenset({"preemption", "delay", "delay-fifo", "dfs", "dfs-sleep"})
"""Those that answer the same whatever the seed."""


def strategy(
    name: str, random: Random, *, learned: Learned | None = None, sees_all: bool = False, offers: Offers = "all"
) -> Strategy:
    """The strategy of this name, told what it will be offered. Raises KeyError if there is none.

    learned, sees_all: as for Portfolio.   offers: which of the ready tasks picks will offer.
    """
    if name == "auto":
        return Portfolio(random, learned=learned, sees_all=sees_all, offers=offers)
    if name == "unseen":
        return Unseen(Urw(random), classes=Classes(offers))
    if name == "dfs-sleep" and offers == "some":
        return Dfs()  # under such a rule a swap of two steps changes what is offered next, whatever they touch
    return STRATEGIES[name](random)
