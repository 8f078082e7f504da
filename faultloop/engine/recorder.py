"""Recording a run in full: tasks, sites, events, and where faults landed. Plain data in, a trace's parts out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from faultloop.engine.paths import Siblings, TaskNode
from faultloop.model.points import AwaitPoint, Site
from faultloop.model.trace import Delivered, Event, TaskEntry

Row = tuple[int, int, str, int, int, int, int, str]
"""step, virtual ns, kind, task, by, site, nth, text: an event before it is one, for events are many."""

HEAD = 1_000


class Recorder:
    """Collects what happens. Past `limit` events it keeps the first 1,000 and the last ones, and counts the rest."""

    def __init__(self, limit: int) -> None:
        self._head: list[Row] = []
        self._tail: deque[Row] = deque(maxlen=max(limit - HEAD, 1))
        self._limit = limit
        self.dropped = 0
        self.nodes: list[TaskNode] = []
        self._orphans = Siblings()
        self.sites: list[Site] = []
        self.delivered: list[Delivered] = []
        self.log: Callable[[Row], None] = self._head.append
        """Takes one Row. Replaced once the head is full."""

    def check_size(self) -> None:
        """Called every few thousand steps: switches to the ring once the head is full."""
        if self.log == self._head.append and len(self._head) > self._limit:
            self._tail.extend(self._head[HEAD:])
            self.dropped = len(self._head) - HEAD - len(self._tail)
            del self._head[HEAD:]
            self.log = self._log_to_ring

    def _log_to_ring(self, row: Row) -> None:
        self.dropped += len(self._tail) == self._tail.maxlen
        self._tail.append(row)

    def add_site(self, site: Site) -> int:
        """The number of a new site."""
        self.sites.append(site)
        return len(self.sites) - 1

    def node(self, coroutine: str, parent: TaskNode | None) -> TaskNode:
        """A node for a new task."""
        node = TaskNode(len(self.nodes), coroutine, parent, self._orphans)
        self.nodes.append(node)
        return node

    def fault(
        self, plan: int, kind: str, point: AwaitPoint, node: TaskNode, *, step: int, t: int, note: str = ""
    ) -> None:
        """A planned fault landed."""
        self.delivered.append(Delivered(plan, point, step, t, note))
        self.log((step, t, "fault", node.index, -1, -1, point.nth, kind))

    def events(self) -> tuple[Event, ...]:
        """Everything kept, in the order it happened."""
        return tuple(Event(*row) for row in (*self._head, *self._tail))  # type: ignore[arg-type]

    def tasks(self) -> tuple[TaskEntry, ...]:
        """The tasks in order of creation."""
        return tuple(TaskEntry(node.path, node.coroutine) for node in self.nodes)
