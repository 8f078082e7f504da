"""The stage of a run on asyncio: its loop runs in stretches, for runners that are asyncio's own or a test plugin's.

The run is judged when the runner closes its loop, with the tasks that are left then; or when the loop is halted. What
comes after that is cleaning up, within small bounds.
"""

from __future__ import annotations

import asyncio
import time
from asyncio import events, runners
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, cast

from faultloop.drivers.alarm import OutOfTime, put_off
from faultloop.drivers.asyncio.loop import Loop
from faultloop.drivers.asyncio.trace import Tracer
from faultloop.drivers.bounds import VIRTUAL_SECONDS, WALL_SECONDS
from faultloop.drivers.hosting import FOR_EVER, SERVER, Halted, Window
from faultloop.errors import Deadlock, Livelock, OverLimit
from faultloop.model.faults import NANOSECONDS
from faultloop.model.limits import Limits


@dataclass(slots=True)
class _Call:
    coroutine: Any
    done: Any
    value: Any = None
    error: BaseException | None = None


class AsyncioStage:
    """See `hosting.Stage`. judge: told once, when the run is over, and by what it was halted.

    out_of_time: what to say of a step that did not end.
    """

    driver = "asyncio"

    def __init__(
        self,
        loop: Loop,
        judge: Callable[[Halted | None], None],
        out_of_time: Callable[[], Halted],
        tracer: Tracer | None = None,
    ) -> None:
        self.loop = loop
        self.is_over = False
        self._judge = judge
        self._out_of_time = out_of_time
        self._is_taken = False
        self._server: Any = None
        self._next: Any = None
        self._call: _Call | None = None
        self._tracer = tracer
        self.window = Window(tracer.nodes if tracer is not None else ())
        loop.logs_complaints = True  # a test may ask for what asyncio says
        self._spin = loop.run_forever
        cast(Any, loop).run_forever = self._stretch

    # For who performs

    @property
    def is_running(self) -> bool:
        """Whether a stretch is under way."""
        return self.loop.is_running()

    def call(self, function: Callable[..., Any], arguments: Mapping[str, Any], *, name: str = "") -> Any:
        """See `hosting.Stage.call`."""
        loop = self.loop
        call = self._call = _Call(function(**arguments), loop.create_future())
        if self._server is None or self._server.done():
            self._server = loop.create_task(self._serve(), name=name or SERVER)
        elif self._next is not None and not self._next.done():
            self._next.set_result(None)
        try:
            loop.run_until_complete(call.done)
        except (Deadlock, Livelock, OverLimit):
            self._break_off(call)
            raise
        if call.error is not None:
            raise call.error
        return call.value

    @contextmanager
    def testing(self) -> Generator[None]:
        """See `hosting.Stage.testing`."""
        self.window.open(self.loop.step, is_within_step=self.is_running, host=self._host())
        try:
            yield
        finally:
            self.window.ended = self.loop.step

    def new_runner(self, *, debug: bool | None = None, loop_factory: object = None) -> Any:
        """See `hosting.Stage.new_runner`."""
        return _Runner(self)

    def no_hurry(self) -> None:
        """See `hosting.Stage.no_hurry`."""
        put_off(FOR_EVER)
        self.loop.wall_end = float("inf")

    def note(self, text: str) -> None:
        """See `hosting.Stage.note`."""
        if not self.is_over:
            self.loop.note(text, own=True)

    def now(self) -> float:
        """See `hosting.Stage.now`."""
        return self.loop.time()

    # For the driver

    def take_loop(self) -> Loop:
        """The run's loop, once; after that, loops that only keep virtual time."""
        if self._is_taken or self.is_over:
            return Loop(limits=self.loop.limits)
        self._is_taken = True
        return self.loop

    def end(self) -> None:
        """The performance is over: judge it, if that has not been done."""
        if self.is_over:
            return
        if self._server is not None and not self._server.done():
            self._call = None
            if self._next is not None and not self._next.done():
                self._next.set_result(None)
            try:
                self.loop.run_until_complete(self._server)
            except (Deadlock, Livelock, OverLimit):
                return  # judged by that
        self._over(None)

    def let_go(self) -> None:
        """Refer to nothing any more, so that the loop goes when it is let go."""
        self.__dict__.pop("_spin", None)
        cast(Any, self.loop).__dict__.pop("run_forever", None)

    def _break_off(self, call: _Call) -> None:
        """End a call that the run was halted in, so that fixtures can be taken down in its task."""
        self._server.cancel()
        with suppress(Deadlock, Livelock, OverLimit, RuntimeError):
            self.loop.run_until_complete(call.done)

    def _host(self) -> int:
        """The index of the task that a test now begins in, if there is one already."""
        task = asyncio.current_task(self.loop) if self.is_running else self._server
        return self._tracer.node_of(task).index if self._tracer is not None and task is not None else -1

    def _over(self, halted: Halted | None) -> None:
        if not self.is_over:
            self.is_over = True
            self.loop.logs_complaints = False
            self._judge(halted)

    def _stretch(self) -> None:
        """Run the loop until it is stopped."""
        try:
            self._spin()
        except (Deadlock, Livelock, OverLimit) as halted:
            self._halt(halted)
            raise
        except OutOfTime:
            late = self._out_of_time()
            self._halt(late)
            raise late from None

    def _halt(self, halted: Halted) -> None:
        """Judge the run as it stands; what is left to do has little to spend."""
        self._over(halted)
        loop, limits = self.loop, self.loop.limits
        put_off(WALL_SECONDS)
        loop.wall_end = time.perf_counter() + WALL_SECONDS
        loop.limit(
            Limits(
                steps=loop.step + limits.teardown_steps,
                virtual_seconds=loop.now / NANOSECONDS + VIRTUAL_SECONDS,
                wall_seconds=WALL_SECONDS,
                spin_turns=limits.spin_turns,
                livelock_turns=limits.livelock_turns,
            )
        )
        loop.next_check = loop.limits.steps

    async def _serve(self) -> None:
        """Make one call after another, all in this task: a fixture may leave its group of tasks open for the test."""
        task = asyncio.current_task()
        assert task is not None
        while (call := self._call) is not None:
            self._call = None
            try:
                call.value = await call.coroutine
            except BaseException as error:
                call.error = error
                while task.cancelling() and isinstance(error, asyncio.CancelledError):
                    task.uncancel()  # it was the test that was cancelled; its fixtures are taken down all the same
            self._next = self.loop.create_future()
            call.done.set_result(None)
            del call
            self.window.idle.add(self.loop.step)
            await self._next


def new_runner(make_loop: Callable[[], Loop]) -> asyncio.Runner:
    """asyncio's own runner on a loop of ours, where no run is under way."""
    return asyncio.Runner(loop_factory=make_loop)


class _Runner(asyncio.Runner):  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
    """asyncio's runner on the loop of a run. Closing it ends the run, and leaves the loop to the driver."""

    def __init__(self, stage: AsyncioStage) -> None:
        super().__init__(loop_factory=stage.take_loop)
        self._stage = stage

    def __enter__(self) -> Any:
        """Be entered, and make the loop the current one, as a runner without a factory does."""
        super().__enter__()
        me = cast(Any, self)
        if not me._set_event_loop:
            events.set_event_loop(me._loop)
            me._set_event_loop = True
        return self

    def close(self) -> None:
        """Judge the run; the driver ends the tasks that are left."""
        me = cast(Any, self)
        if me._state is not cast(Any, runners)._State.INITIALIZED or me._loop is not self._stage.loop:
            super().close()
            return
        self._stage.end()
        if me._set_event_loop:
            events.set_event_loop(None)
        me._loop = None
        me._state = cast(Any, runners)._State.CLOSED
