"""Names for tasks that hold across runs.

A task's path is its parent's path, `/`, and its label: the name the program gave it, else its coroutine's name. That of
a task that no task made, as a server makes one for each connection, is the label alone. The k-th of one label among the
children of one parent, or of none, gets `#k` from the second on. `Task-N`, which counts for the whole process, never
occurs.
"""

from __future__ import annotations

import re

from faultloop.model.text import storable

_DEFAULT_NAME = re.compile(r"Task-[0-9]+")


class Siblings:
    """The tasks that one task made, or that none did: how many of each label, and the youngest of them."""

    __slots__ = ("counts", "youngest")

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.youngest: TaskNode | None = None


class TaskNode:
    """One task of a run as the engine knows it.

    Names may come late: asyncio 3.11 and 3.12 name a task right after making it. So the label stays open until someone
    asks for the path, the task runs, or its parent makes the next one.

    orphans: those of its run that no task made, of which it is one if it has no parent; None: there are no others.
    """

    __slots__ = ("_label", "_path", "_siblings", "children", "coroutine", "home", "index", "parent", "scratch")

    def __init__(self, index: int, coroutine: str, parent: TaskNode | None, orphans: Siblings | None = None) -> None:
        self.index = index
        """Place in the run's order of creation, from 0."""
        self.coroutine = coroutine
        self.parent = parent
        self.home = ""
        """The name of the node it runs on, if it runs on one."""
        self.scratch: object = None
        """Whatever the driver's watcher keeps about this task."""
        self._label = coroutine
        self._path: str | None = None
        self.children = Siblings()
        self._siblings = siblings = parent.children if parent is not None else orphans or Siblings()
        if siblings.youngest is not None:
            siblings.youngest.settle()
        siblings.youngest = self

    def rename(self, name: str) -> None:
        """The program named the task; only counts while its path is open."""
        if self._path is None and not is_default_name(name):
            self._label = name

    def settle(self) -> str:
        """The path, which from now on does not change."""
        if self._path is None:
            # `/` separates the parts of a path.
            label = storable(self._label.replace("/", "|"))
            counts = self._siblings.counts
            counts[label] = k = counts.get(label, 0) + 1
            above = "" if self.parent is None else f"{self.parent.settle()}/"
            self._path = f"{above}{label}" + (f"#{k}" if k > 1 else "")
        return self._path

    @property
    def path(self) -> str:
        """Parent's path, `/`, label, and `#k` for the k-th of that label."""
        return self.settle()


def is_default_name(name: str) -> bool:
    """Whether asyncio made this name up."""
    return _DEFAULT_NAME.fullmatch(name) is not None


def bare_function(qualname: str) -> str:
    """A function's qualified name without those it is defined in: `f.<locals>.Pool.acquire` is `Pool.acquire`."""
    return qualname.rpartition("<locals>.")[2]
