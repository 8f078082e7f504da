"""Runs on trio under a decider that looks: it sees which tasks are ready and where each goes on from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from faultloop.deciders.calm import Calm
from faultloop.drivers.frames import ChainTable
from faultloop.drivers.looking import Guide, Keep, looking_order
from faultloop.drivers.ready import Entry, Ordering
from faultloop.drivers.settings import Settings
from faultloop.drivers.touches import SEEN
from faultloop.drivers.trio.host import Host
from faultloop.drivers.trio.sites import site_number
from faultloop.drivers.trio.trace import Ears
from faultloop.engine.choices import Answering, RecordedChoices


def looking_at(
    host: Host,
    settings: Settings,
    guide: Guide,
    keep: Keep,
    ordinal_of: Callable[[Any], int],
    site_of: Callable[[Any], int],
) -> Ordering:
    """The ordering of a run that a guide looks at."""

    def look(entries: list[Entry]) -> int:
        tasks = [task for _, _, task in entries]
        return guide.pick([ordinal_of(task) for task in tasks], [site_of(task) for task in tasks])

    return looking_order(settings.order, host.queue, look, keep, hold=settings.hold)


class Follower:
    """Tells the guide what each step did.

    touched: where what a step touches is recorded.
    steps: the task's ordinal and the number of the site it went on from.
    """

    def __init__(
        self, host: Host, settings: Settings, guide: Guide, sites: ChainTable, touched: list[tuple[int, bool]]
    ) -> None:
        self.next_stop = 0
        self._touched = touched
        self.steps: list[tuple[int, int]] = []
        self.choices = RecordedChoices(Calm() if settings.choose is None else Answering(settings.choose))
        self.ears = Ears(host, self._made, None, self._ended)
        self._guide = guide
        self._sites = sites
        self._ordinals: dict[Any, int] = {}
        self._at: dict[Any, int] = {}
        self._ended_now = False
        host.ordering = looking_at(
            host, settings, guide, self.choices.keep, self._ordinals.__getitem__, lambda task: self._at.get(task, 0)
        )
        host.choose = self.choices.choose
        host.watcher = self

    def _made(self, task: Any) -> None:
        self._ordinals[task] = ordinal = len(self._ordinals) + 1
        self._guide.made(ordinal)

    def _ended(self, task: Any) -> None:
        self._ended_now = True

    def before_step(self, task: Any) -> None:
        """Nothing is delivered here."""
        self._touched.clear()
        SEEN.clear()
        self._ended_now = False

    def after_step(self, task: Any) -> None:
        """Tell the guide, and note where the task waits now."""
        ordinal, site = self._ordinals[task], self._at.get(task, 0)
        self.steps.append((ordinal, site))
        self._guide.ran(ordinal, site, self._touched)
        if not self._ended_now:
            self._at[task] = site_number(self._sites, task)

    def time_moved(self) -> None:
        """Time is not the guide's business."""

    def checkpoint(self) -> None:
        """Nothing to keep within limits."""

    def path_of(self, task: Any) -> str:
        """No paths are kept."""
        del task
        return ""

    def note(self, text: str, *, own: bool = False) -> None:
        """Nothing is recorded."""
