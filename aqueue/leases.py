"""The leases of the jobs in a worker's hands: renewed for as long as their handlers may go on, and enforced.

Law 1: a handler is cancelled when its lease is over here, which is never later than in the store, whatever became of
       the renewals. So the task that watches waits for time and for news of this process, and never for the store.
Law 2: one timer for all of them. A timer for each job costs more than everything else that a short job needs it for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import anyio

from aqueue.errors import StoreUnavailable
from aqueue.hub import Hub
from aqueue.log import logger
from aqueue.running import Running
from aqueue.store.operations import Renew

__all__ = ["Leases"]


class Leases:
    """Renews and watches the leases of one worker."""

    def __init__(
        self, hub: Hub, worker_id: str, grace_seconds: float, in_hand: Mapping[tuple[int, int], Running]
    ) -> None:
        """Look after the jobs in `in_hand`, which the worker adds to and takes from."""
        self._session = hub.session
        self._worker_id = worker_id
        self._grace_seconds = grace_seconds
        self._in_hand = in_hand
        self._renewal = anyio.Event()
        self._next_renewal = math.inf
        self._sooner = anyio.Event()
        self._next_end = math.inf

    def added(self, running: Running) -> None:
        """A job was taken over by its task, and its lease may come before those that are waited for."""
        if running.renew_at < self._next_renewal:
            self._renewal.set()
        if running.lease_ends < self._next_end:
            self._sooner.set()

    def renew_soon(self) -> None:
        """Renew every lease now."""
        for running in self._in_hand.values():
            running.renew_at = -math.inf
        self._renewal.set()

    async def keep_watching(self) -> None:
        """Cancel each handler whose lease is over, for ever."""
        while True:
            self._sooner = anyio.Event()
            now = anyio.current_time()
            held = [running for running in self._held() if running.settlement is None and not running.is_lease_lost]
            for running in held:
                if running.lease_ends <= now:
                    running.stop_for("lease lost", now)
            ends = (running.lease_ends for running in held if running.lease_ends > now)
            self._next_end = min(ends, default=math.inf)
            with anyio.CancelScope(deadline=self._next_end):
                await self._sooner.wait()

    async def keep_renewing(self) -> None:
        """Renew every lease in time, for ever. Cancelled here: nothing is held."""
        while True:
            self._renewal = anyio.Event()
            now = anyio.current_time()
            self._next_renewal = min((running.renew_at for running in self._renewable(now)), default=math.inf)
            if self._next_renewal > now:
                with anyio.CancelScope(deadline=self._next_renewal):
                    await self._renewal.wait()
                continue
            await self.renew()

    async def renew(self) -> None:
        """Extend the leases of all jobs in hand. Cancelled here: they may be extended, which harms nobody."""
        asked_at = anyio.current_time()
        held = self._renewable(asked_at)
        for running in held:
            running.not_renewed(asked_at)
        try:
            renewals = await self._session.perform(Renew(tuple(running.lease for running in held)))
        except StoreUnavailable as error:
            logger().warning("renewal.unanswered", worker=self._worker_id, jobs=len(held), error=error.happened)
            return
        now = anyio.current_time()
        for running, renewal in zip(held, renewals, strict=True):
            if renewal.held:
                running.renewed(asked_at)
            elif running.key in self._in_hand and not running.is_settled:  # else it was settled meanwhile, by ourselves
                running.stop_for("lease lost", now)
            if renewal.cancel_requested:
                running.stop_for("cancel requested", now)

    def _held(self) -> list[Running]:
        return [running for running in self._in_hand.values() if running.is_adopted and not running.is_settled]

    def _renewable(self, now: float) -> list[Running]:
        return [running for running in self._held() if not running.is_stuck(now, self._grace_seconds)]
