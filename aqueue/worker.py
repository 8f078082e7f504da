"""A worker: claims jobs, runs each in its own cancel scope, and settles what came of it.

Law 1: a claimed job is always in somebody's hand, given back, or left to its lease. Never dropped.
Law 2: a cancel from outside (shutdown) is not a verdict on the job: it is released, and no failure is counted.
Law 3: a settlement is sent until it is answered or its time is over; then the lease decides. It is never doubled,
       because the store knows its own events (store/operations.py, rule 2).
Law 4: what has ended is settled, and what there is room for is claimed, in one turn: one call of the store, whatever
       the number of jobs. A job's own task writes only what no turn will write for it.
Law 5: every period is jittered by the queue's Random, so that workers started together drift apart.
Law 6: a cancellation is never swallowed.

Its tasks are called NAME, NAME.renew, NAME.leases (both in leases.py), NAME.sweep, NAME.job and, if the queue has
schedules, NAME.cron. What a try is, and what comes of it, is in attempt.py.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import anyio
import anyio.abc
from anyio.lowlevel import checkpoint_if_cancelled

from aqueue.attempt import Attempt
from aqueue.errors import AQueueError, LeaseLost, StoreUnavailable
from aqueue.hub import Hub
from aqueue.leases import Leases
from aqueue.lifecycle import Release, State
from aqueue.log import logger
from aqueue.policy import WorkerPolicy
from aqueue.running import Running
from aqueue.store.base import Answer, insist
from aqueue.store.operations import Claim, ClaimReply, ReleaseClaim, Settle
from aqueue.store.rows import JobRow
from aqueue.sweeping import keep_sweeping
from aqueue.ticking import keep_firing

__all__ = ["Worker"]


class Worker:
    """Runs the jobs of one queue. Made by Queue.worker."""

    def __init__(self, hub: Hub, name: str, policy: WorkerPolicy) -> None:
        """Create a worker that does not run yet."""
        self.name = name
        # The lease belongs to one start of one process, never to a name that may come back (FM_030).
        self.id = f"{name}:{hub.new_token()[:16]}"
        self.policy = policy
        self._hub = hub
        self._session = hub.session
        # By (job, attempt): from the claim to the answer to the settlement. Those without a settlement take a slot.
        self._in_hand: dict[tuple[int, int], Running] = {}
        self._leases = Leases(hub, self.id, policy.grace, self._in_hand)
        self._ended: list[Running] = []  # of those in hand, the ones that wait for the next turn to be settled
        self._is_turning = False
        self._work = anyio.Event()
        self.is_draining = False
        self.has_ended = anyio.Event()

    @property
    def free_slots(self) -> int:
        """How many more jobs it could run now: slots in use are counted, never kept in a counter (FM_012)."""
        if self.is_draining or self.has_ended.is_set():
            return 0
        busy = [running.job.life for running in self._in_hand.values() if running.settlement is None]
        isolate_after = self.policy.isolate_after
        if isolate_after is not None and any([life.crashes >= isolate_after for life in busy]):  # noqa: C419 - twice as fast
            return 0
        return self.policy.concurrency - len(busy)

    def wake(self) -> None:
        """Look for jobs now."""
        self._work.set()

    def renew_soon(self) -> None:
        """Renew every lease now."""
        self._leases.renew_soon()

    def drain(self) -> None:
        """Claim nothing more; end when the jobs in hand have ended, or their time is over."""
        self.is_draining = True
        self.wake()

    async def run(self) -> None:
        """Work until drained. Cancelled here: the jobs in hand are cancelled and released."""
        self._hub.workers.append(self)
        self._hub.tell("worker_started", worker=self.id)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._leases.keep_renewing, name=f"{self.name}.renew")
                tasks.start_soon(self._leases.keep_watching, name=f"{self.name}.leases")
                tasks.start_soon(keep_sweeping, self._hub, self, self.policy, name=f"{self.name}.sweep")
                if self._hub.schedules:
                    tasks.start_soon(keep_firing, self._hub, self.id, self.policy.sweep, name=f"{self.name}.cron")
                await self._keep_turning(tasks)
                tasks.cancel_scope.cancel()
        finally:
            self._give_back_unstarted(list(self._in_hand.values()))
            self._hub.workers.remove(self)
            self.has_ended.set()
            self._hub.tell("worker_ended", worker=self.id, detail="drained" if self.is_draining else None)

    # Turns: settle and claim.

    async def _keep_turning(self, tasks: anyio.abc.TaskGroup) -> None:
        """Take turns until drained. Cancelled here: what has ended is settled first, and the rest is not in a hurry."""
        self._is_turning = True
        try:
            while not self.is_draining:
                # A turn is shielded, and returns at once if it took jobs: a cancelled worker would take what it has
                # just released, and again, until the last claim that the job may have.
                await checkpoint_if_cancelled()
                await self._take_turn(tasks)
            with anyio.move_on_after(self.policy.drain):
                while self._in_hand:
                    await self._take_turn(tasks)
        finally:
            self._is_turning = False
            if self._ended:
                await self._settle_and_claim(self._take_ended(), None, tasks)

    async def _take_turn(self, tasks: anyio.abc.TaskGroup) -> None:
        """Settle and claim; wait if there is nothing more to do at once."""
        self._work = anyio.Event()  # subscribed before the look, so that no hint falls between look and wait
        self._drop_unstarted()
        ended, room = self._take_ended(), self.free_slots
        wait_seconds = self._jittered(self.policy.poll)
        if ended or room:
            asked_at = anyio.current_time()
            reply = await self._settle_and_claim(ended, self._claim_of(room) if room else None, tasks)
            self._hand_over(reply, asked_at, tasks)
            if len(reply.jobs) == room or reply.wait_ms == 0:
                return
            if reply.wait_ms is not None:
                wait_seconds = min(wait_seconds, reply.wait_ms / 1000)
        with anyio.move_on_after(wait_seconds):
            await self._work.wait()

    def _take_ended(self) -> list[Running]:
        ended, self._ended = self._ended, []
        return ended

    def _claim_of(self, room: int) -> Claim:
        return Claim(
            self.id,
            self._hub.new_token(),
            room,
            round(self.policy.lease * 1000),
            self._hub.leases_ms,
            rules=self._hub.rules,
            budget=self._hub.retry_budget,
            isolate_after=self.policy.isolate_after,
            is_idle=all(running.settlement is not None for running in self._in_hand.values()),
            only_known=not self.policy.bury_unknown,
        )

    async def _settle_and_claim(
        self, ended: list[Running], claim: Claim | None, tasks: anyio.abc.TaskGroup
    ) -> ClaimReply:
        """One turn. What was taken and cannot be returned is given back (FM_003). Cancelled here: all is written."""
        settlements = [running.settlement for running in ended if running.settlement is not None]
        try:
            with anyio.move_on_after(self.policy.settle, shield=True):
                answers = await self._session.perform_all([*settlements, *([] if claim is None else [claim])])
                self._hear(ended, answers[: len(ended)], tasks)
                ended = []  # from here on they are out of this turn's hands
                if claim is None:
                    return ClaimReply((), None)
                reply = await self._reply_to(claim, answers[-1])
                if self._hub.is_heard("claimed"):
                    self._tell_claimed(reply)
                return reply
        except StoreUnavailable as error:
            logger().debug("claim.unanswered", worker=self.id, error=error.happened)
        except BaseException:
            # Killed in spite of the shield (asyncio's Task.cancel). It may be committed or still in the store's list.
            # Sent again: a settlement that is doubled is recognised, and a release that comes after its claim there
            # does nothing if the claim took nothing.
            for running in ended:
                if self._in_hand.pop(running.key, None) is not None and running.settlement is not None:
                    self._session.post(running.settlement)
            self._give_back(claim)
            raise
        for running in ended:
            self._leave_to_its_lease(running, "the store did not answer in time")
        self._give_back(claim)
        return ClaimReply((), None)

    def _tell_claimed(self, reply: ClaimReply) -> None:
        for job in reply.jobs:
            due_seconds = max(0, reply.now - job.life.run_at) / 1000
            self._hub.tell("claimed", job, worker=self.id, state="running", seconds=due_seconds)

    def _hear(self, ended: list[Running], answers: list[Answer], tasks: anyio.abc.TaskGroup) -> None:
        """What became of each settlement. One that was not answered is sent again, by a task of its own."""
        was_woken = self._work.is_set()
        is_told = self._hub.is_heard("settled")
        settled: list[int] = []
        for running, (state, error) in zip(ended, answers, strict=True):
            if isinstance(error, StoreUnavailable):
                running.is_adopted = False  # until that task has taken its first step
                tasks.start_soon(self._settle_again, running, name=f"{self.name}.job")
                continue
            del self._in_hand[running.key]
            if error is None:
                settled.append(running.job.id)
                if is_told and running.settlement is not None:
                    self._tell_settled(running, state, running.settlement.error)
            elif isinstance(error, LeaseLost):
                self._hub.tell("lease_lost", running.job, worker=self.id, detail=error.happened)
            elif isinstance(error, AQueueError):  # what it comes to cannot be stored
                self._hub.tell("left_to_its_lease", running.job, worker=self.id, detail=error.happened)
            else:
                raise error
        if settled:
            self._hub.settled(*settled)
        if not was_woken and self.free_slots:
            self._work = anyio.Event()  # these settlements are news to others: this turn's claim has seen them

    async def _reply_to(self, claim: Claim, answer: Answer) -> ClaimReply:
        reply, error = answer
        if isinstance(error, StoreUnavailable):
            return await insist(self._session, claim, random=self._hub.random, tries=4)
        if error is not None:
            raise error
        assert isinstance(reply, ClaimReply)
        return reply

    def _give_back(self, claim: Claim | None) -> None:
        if claim is not None:
            self._session.post(ReleaseClaim(claim.nonce))

    def _hand_over(self, reply: ClaimReply, asked_at: float, tasks: anyio.abc.TaskGroup) -> None:
        """Take a slot for each job and start its task; no await, so that nothing can come between."""
        now = anyio.current_time()
        for job in reply.jobs:
            running = Running(job, self._lease_seconds(job), asked_at, reply.now)
            if running.key in self._in_hand:
                continue  # a server that crashed has forgotten this very claim, and gave it again: it is being run
            if running.lease_ends <= now:  # the answer came so late that it is not ours any more
                self._session.post(self._release_of(running, "not started"))
                continue
            self._in_hand[running.key] = running
            # Not start(): a task that is killed before its first step would never answer, and its parent would hang.
            tasks.start_soon(self._run_job, running, name=f"{self.name}.job")

    def _drop_unstarted(self) -> None:
        """Free the slots of jobs whose task was killed before its first step: nobody renewed their lease."""
        unstarted = [running for running in self._in_hand.values() if not running.is_adopted]
        if unstarted:
            now = anyio.current_time()
            self._give_back_unstarted([running for running in unstarted if running.lease_ends <= now])

    def _give_back_unstarted(self, jobs: list[Running]) -> None:
        for running in jobs:
            if not running.is_adopted:
                del self._in_hand[running.key]
                self._session.post(self._release_of(running, "not started"))

    def _lease_seconds(self, job: JobRow) -> float:
        task = self._hub.tasks.get(job.task)
        own = None if task is None else task.policy.lease
        return self.policy.lease if own is None else own

    # Running.

    async def _run_job(self, running: Running) -> None:
        """The life of a job in this worker, up to its settlement. Cancelled here: it is released, and no try counts."""
        if not self._adopt(running):
            return
        try:
            running.settlement = await Attempt(
                self._hub, running, self.id, self.policy.settle, self._leases.renew
            ).perform()
        except BaseException:
            # Not a verdict of ours: the host is being cancelled, or the program ends.
            with self._leaving(running):
                if not running.is_settled:
                    await self._settle(running, self._release_of(running, "shutdown"))
            raise
        if running.settlement is None:
            with self._leaving(running):
                if running.is_settled:
                    self._tell_settled(running, "succeeded", None)
                    self._hub.settled(running.job.id)
        elif self._is_turning:
            self._ended.append(running)
            self.wake()
        else:
            await self._settle_again(running)

    async def _settle_again(self, running: Running) -> None:
        """Settle outside of a turn. Cancelled here: it is written all the same."""
        if not self._adopt(running):
            return
        assert running.settlement is not None
        with self._leaving(running):
            await self._settle(running, running.settlement)

    def _adopt(self, running: Running) -> bool:
        """Take the job over; False if it was given back, because its lease was over before this task began."""
        running.is_adopted = running.key in self._in_hand
        if running.is_adopted:
            self._leases.added(running)
        return running.is_adopted

    @contextmanager
    def _leaving(self, running: Running) -> Generator[None]:
        try:
            yield
        finally:
            self._in_hand.pop(running.key, None)
            self.wake()

    def _tell_settled(self, running: Running, state: State, error: str | None) -> None:
        took_seconds = anyio.current_time() - running.claimed_at
        self._hub.tell("settled", running.job, worker=self.id, state=state, seconds=took_seconds, detail=error)

    async def _settle(self, running: Running, settlement: Settle) -> None:
        """Write how the attempt ended. Cancelled here: it is written all the same."""
        try:
            with anyio.move_on_after(self.policy.settle, shield=True):
                state = await insist(self._session, settlement, random=self._hub.random, tries=4)
                self._tell_settled(running, state, settlement.error)
                self._hub.settled(running.job.id)
                return
        except LeaseLost as lost:
            self._hub.tell("lease_lost", running.job, worker=self.id, detail=lost.happened)
            return
        except AQueueError as error:  # no answer, or it cannot be stored
            self._leave_to_its_lease(running, error.happened)
            return
        except BaseException:
            # Killed in spite of the shield: send it again, in case it was not sent. Doubled, it is recognised.
            self._session.post(settlement)
            raise
        self._leave_to_its_lease(running, "the store did not answer in time")

    def _leave_to_its_lease(self, running: Running, why: str) -> None:
        if self._in_hand.pop(running.key, None) is not None:
            self._hub.tell("left_to_its_lease", running.job, worker=self.id, detail=why)

    def _release_of(self, running: Running, why: str) -> Settle:
        attempt = running.job.life.attempt
        return Settle(running.job.id, self.id, Release(attempt, run_at=0), error=why)

    def _jittered(self, seconds: float) -> float:
        return seconds * self._hub.random.uniform(0.8, 1.2)
