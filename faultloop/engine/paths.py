"""Names for tasks that hold across runs.

A task's path is its parent's path, `/`, and its label: the name the program gave it, else its coroutine's name. The
k-th child of one parent with one label gets `#k` from the second on. `Task-N`, which counts for the whole process,
never occurs.
"""

from __future__ import annotations

import re

_DEFAULT_NAME = re.compile(r"Task-[0-9]+")


class TaskNode:
    """One task of a run as the engine knows it.

    Names may come late: asyncio 3.11 and 3.12 name a task right after making it. So the label stays open until someone
    asks for the path, the task runs, or its parent makes the next one.
    """

    __slots__ = ("_children", "_label", "_path", "_youngest", "coroutine", "home", "index", "parent", "scratch")

    def __init__(self, index: int, coroutine: str, parent: TaskNode | None) -> None:
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
        self._children: dict[str, int] = {}
        self._youngest: TaskNode | None = None
        if parent is not None:
            if parent._youngest is not None:
                parent._youngest.settle()
            parent._youngest = self

    def rename(self, name: str) -> None:
        """The program named the task; only counts while its path is open."""
        if self._path is None and not is_default_name(name):
            self._label = name

    def settle(self) -> str:
        """The path, which from now on does not change."""
        if self._path is None:
            # `/` separates the parts of a path, and half a surrogate pair cannot be written to a file.
            label = self._label.replace("/", "|").encode("utf-8", "replace").decode("utf-8")
            if self.parent is None:
                self._path = label
            else:
                seen = self.parent._children
                seen[label] = k = seen.get(label, 0) + 1
                self._path = f"{self.parent.settle()}/{label}" + (f"#{k}" if k > 1 else "")
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
