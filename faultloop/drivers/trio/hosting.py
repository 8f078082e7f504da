"""The stage of a run on trio: its main task makes one call after another, and trio stands still in between."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, NoReturn

import trio

from faultloop.drivers.alarm import put_off
from faultloop.drivers.bounds import VIRTUAL_SECONDS, WALL_SECONDS
from faultloop.drivers.hosting import FOR_EVER, SERVER, Halted, Window
from faultloop.drivers.trio.faults import cancel
from faultloop.drivers.trio.host import Host
from faultloop.drivers.trio.trace import Tracer
from faultloop.errors import Deadlock, Livelock, OverLimit, UsageError
from faultloop.model.faults import NANOSECONDS


@dataclass(slots=True)
class _Call:
    function: Callable[..., Any]
    arguments: Mapping[str, Any]
    is_test: bool
    is_done: bool = False
    value: Any = None
    error: BaseException | None = None


class TrioStage:
    """See `hosting.Stage`. judge: told once, when the run is over, and by what it was halted.

    is_late: whether the run's real time is used up.   out_of_time: what to say then.
    """

    driver = "trio"

    def __init__(
        self,
        host: Host,
        instruments: list[Any],
        judge: Callable[[Halted | None], None],
        is_late: Callable[[], bool],
        out_of_time: Callable[[], Halted],
        tracer: Tracer | None = None,
    ) -> None:
        self.is_running = False
        self.is_over = False
        self._host = host
        self._instruments = instruments
        self._judge = judge
        self._is_late = is_late
        self._out_of_time = out_of_time
        self._call: _Call | None = None
        self._is_testing = self._is_started = self._is_idle = False
        self._tracer = tracer
        self.window = Window(tracer.nodes if tracer is not None else ())

    # For who performs

    def call(self, function: Callable[..., Any], arguments: Mapping[str, Any], *, name: str = "") -> Any:
        """See `hosting.Stage.call`."""
        call = self._call = _Call(function, arguments, self._is_testing)
        if not self._is_started:
            self._is_started = True
            serving: Any = self._serve()
            serving.__qualname__ = name or SERVER  # which the task is named after
            self._host.start(serving, self._instruments)
            if self._host.reach is not None:
                self._host.reach.network.enter()
        self._wake()
        try:
            self._run_until(lambda: call.is_done)
        except (Deadlock, Livelock, OverLimit):
            self._break_off(call)
            raise
        if call.error is not None:
            raise call.error
        if not call.is_done:
            raise self._host.failure or RuntimeError("trio ended before the call did")
        return call.value

    @contextmanager
    def testing(self) -> Generator[None]:
        """See `hosting.Stage.testing`."""
        self.window.open(self._host.step, is_within_step=self.is_running, host=self._runs_test())
        self._is_testing = not self.is_running
        try:
            yield
        finally:
            self.window.ended, self._is_testing = self._host.step, False

    def new_runner(self, *, debug: bool | None = None, loop_factory: object = None) -> NoReturn:
        """There is no runner of asyncio's on trio."""
        raise UsageError("a run on trio has no asyncio loop", code="FL506")

    def no_hurry(self) -> None:
        """See `hosting.Stage.no_hurry`."""
        put_off(FOR_EVER)
        self._host.wall_end = float("inf")

    def note(self, text: str) -> None:
        """See `hosting.Stage.note`."""
        note = getattr(self._host.watcher, "note", None)
        if note is not None:
            note(text, own=True)

    def now(self) -> float:
        """See `hosting.Stage.now`."""
        return self._host.now / NANOSECONDS

    # For the driver

    def end(self) -> None:
        """The performance is over: judge it, if that has not been done."""
        if self.is_over:
            return
        if self._is_started:
            self._call = None
            self._wake()
            try:
                self._run_until(lambda: False)
            except (Deadlock, Livelock, OverLimit):
                return  # judged by that
        self._over(None)

    def _runs_test(self) -> int:
        """The index of the task that a test now begins in, if there is one already."""
        if self._tracer is None or not self._is_started:
            return -1
        task = trio.lowlevel.current_task() if self.is_running else self._host.runner.main_task
        return self._tracer.ordinal_of(task) - 1

    def _over(self, halted: Halted | None) -> None:
        if not self.is_over:
            self.is_over = True
            self._judge(halted)

    def _break_off(self, call: _Call) -> None:
        """End a test that the run was halted in, so that fixtures can be taken down in its task."""
        host, limits = self._host, self._host.limits
        put_off(WALL_SECONDS)
        host.wall_end = time.perf_counter() + WALL_SECONDS
        host.virtual_end = host.now + round(VIRTUAL_SECONDS * NANOSECONDS)
        step_end = host.step + limits.teardown_steps
        if host.main_scope is not None:
            cancel(host.main_scope)
            with suppress(Deadlock, Livelock, OverLimit):
                self._run_until(lambda: call.is_done or host.step > step_end)

    def _wake(self) -> None:
        if self._is_idle:
            self._is_idle = False
            self._host.runner.reschedule(self._host.runner.main_task)

    def _run_until(self, is_done: Callable[[], bool]) -> None:
        host = self._host
        self.is_running = True
        try:
            while not is_done() and not host.has_ended and host.runner.main_task_outcome is None:
                host.turn()
        except (Deadlock, Livelock, OverLimit) as halted:
            self._over(halted)
            raise
        except KeyboardInterrupt:
            if not self._is_late():
                raise
            late = self._out_of_time()
            self._over(late)
            raise late from None
        finally:
            self.is_running = False

    async def _serve(self) -> None:
        """Make one call after another, all in this task: a fixture may leave its nursery open for the test."""
        while (call := self._call) is not None:
            self._call = None
            try:
                if call.is_test:
                    with trio.CancelScope() as self._host.main_scope:
                        await self._made(call)
                else:
                    await self._made(call)
            except BaseException as error:
                call.error = error
            self._host.main_scope = None
            call.is_done = True
            del call
            self._is_idle = True
            self.window.idle.add(self._host.step)
            await trio.lowlevel.wait_task_rescheduled(lambda _: trio.lowlevel.Abort.SUCCEEDED)

    async def _made(self, call: _Call) -> None:
        try:
            call.value = await call.function(**call.arguments)
        except BaseException as error:
            call.error = error
            raise
