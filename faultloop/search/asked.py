"""Whether what an exploration is asked for exists: said before the first run, or right after the calm one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from faultloop.deciders.strategies import STRATEGIES
from faultloop.drivers.faults import make_error
from faultloop.drivers.settings import Scenario
from faultloop.errors import UsageError
from faultloop.model.address import parse_kind
from faultloop.model.faults import Fail, Fault
from faultloop.search.conditions import require_sequence
from faultloop.search.run import Observed, require_scenario
from faultloop.search.sweep import Scope
from faultloop.world.faults import is_network_fault, network_faults_in, read_network_faults

DEFAULT_FAULTS = ("cancel", "expire")
"""What may happen to any await in production. Fail and Delay must be asked for: not every await may fail."""
ON_NODES = "crash:1s"
"""What else is tried where a scenario says that its tasks run on machines: one of them crashes and is started again."""
OF_ITS_OWN = ("auto", "sweep", "schedules")
"""What a strategy may be besides the deciders' own."""
NAMES_SHOWN_MAX = 8


def require_search(
    scenario: Scenario,
    strategy: str,
    runs: int,
    time_limit: float | None,
    depth: int,
    order: str | None,
    hold: int | None,
    observe: Sequence[str],
) -> None:
    """Raise UsageError for a way to search that there is not, and for what is no scenario; TargetError as for that."""
    require_scenario(scenario)
    if hold is not None and hold < 1:
        raise UsageError(f"hold is a number of turns from 1, or None, not {hold}", code="FL513")
    require_strategy(strategy)
    if type(runs) is not int or runs < 1:
        raise UsageError(f"runs must be a whole number, at least 1; got {runs!r}", code="FL511")
    if time_limit is not None and not time_limit > 0:  # not a number is not more than 0 either
        raise UsageError(f"time_limit must be more than 0 seconds, or None; got {time_limit!r}", code="FL511")
    if order not in (None, "fifo", "batch", "any"):
        raise UsageError(f'there is no order "{order}"; there are "fifo", "batch" and "any"', code="FL507")
    if depth not in (1, 2):
        raise UsageError(f"depth is 1 or 2, not {depth}", code="FL512")
    if isinstance(observe, str):
        raise UsageError(f'observe is a sequence: observe=["{observe}"]', code="FL508")


def require_strategy(strategy: str) -> None:
    """Raise UsageError (FL510) for a strategy that there is not."""
    if strategy not in OF_ITS_OWN and strategy not in STRATEGIES:
        names = ", ".join(dict.fromkeys((*OF_ITS_OWN, *STRATEGIES)))
        raise UsageError(f'there is no strategy "{strategy}"; there are {names}', code="FL510")


def require_faults(kinds: Sequence[str]) -> None:
    """Raise UsageError for a kind of fault that there is not. Which exceptions there are is known only in a run."""
    read_network_faults(network_faults_in(kinds))
    scope_of(kinds, "*", "*")


def scope_of(faults: Sequence[str | Fault] | None, tasks: str, where: str) -> Scope:
    """What a sweep is to hit. Raises AddressError for a fault that cannot be read, UsageError for what is none."""
    for name, pattern in (("tasks", tasks), ("where", where)):
        if not isinstance(pattern, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise UsageError(f'{name} is a pattern, such as "worker-*", not {pattern!r}', code="FL508")
    if faults is not None:
        require_sequence(faults)
    implied = (parse_kind(ON_NODES),) if faults is None else ()
    named = DEFAULT_FAULTS if faults is None else faults
    return Scope(tuple(_kind(each) for each in named if not is_network_fault(each)), tasks, where, implied)


def _kind(asked: object) -> Fault:
    if isinstance(asked, str):
        return parse_kind(asked)
    if not isinstance(asked, Fault):
        raise UsageError(f'a fault is text, such as "cancel", or a value of faultloop, not {asked!r}', code="FL508")
    return asked


def require_errors(scope: Scope) -> None:
    """Raise UsageError (FL504) for an error to fail with that the program, which is imported by now, does not have."""
    for kind in scope.kinds:
        if isinstance(kind, Fail):
            make_error(kind)


def nothing_to_hit(calm: Observed, scope: Scope) -> str:
    """Why no fault hits anything although some were asked for: nothing is called so. Empty where something is."""
    if not scope.kinds or not calm.waits or any(scope.covers(calm, wait) for wait in calm.waits):
        return ""
    whole = Scope(scope.kinds, scope.tasks)
    mine = [wait for wait in calm.waits if whole.covers(calm, wait)]
    if mine:
        sites = [calm.sites.sites[wait.site] for wait in mine]
        there = _listed(f"{site.function}>{site.awaited}" for site in sites)
        return f'no fault was tried: no await of the calm run is called "{scope.where}"; there are {there}'
    if scope.tasks == "*":
        return ""  # all that waits are fixtures of a test
    there = _listed(wait.node.path.rpartition("/")[2] for wait in calm.waits)
    return f'no fault was tried: no task that waits in the calm run is called "{scope.tasks}"; there are {there}'


def _listed(names: Iterable[str]) -> str:
    known = list(dict.fromkeys(names))
    more = f" and {len(known) - NAMES_SHOWN_MAX} more" if len(known) > NAMES_SHOWN_MAX else ""
    return ", ".join(known[:NAMES_SHOWN_MAX]) + more
