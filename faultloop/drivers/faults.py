"""What faults are made of on every driver: the errors they raise, the scopes they cancel."""

from __future__ import annotations

import builtins
import sys
from typing import Any

from faultloop.errors import UsageError
from faultloop.model.faults import Fail

CANCEL_MESSAGE = "cancelled by faultloop"


def make_error(fault: Fail) -> BaseException:
    """The exception a Fail raises. Raises UsageError when its name means none; imports nothing."""
    module_name, _, name = fault.error.rpartition(".")
    module: Any = builtins if not module_name else sys.modules.get(module_name)
    kind = getattr(module, name, None)
    if not (isinstance(kind, type) and issubclass(kind, Exception)) or issubclass(
        kind, StopIteration | StopAsyncIteration
    ):
        hint = "" if module_name else "; give the module too, as in mypkg.errors.Refused"
        raise UsageError(
            f'"{fault.error}" is not an exception this program has imported and an await can raise{hint}', code="FL504"
        )
    try:
        error = kind(fault.message)
    except Exception:
        try:
            error = kind()
        except Exception as reason:
            raise UsageError(f"{fault.error} cannot be made from a message alone: {reason}", code="FL504") from None
    error.add_note("injected by faultloop")
    return error


def own_scope(task: Any) -> Any:
    """The cancel scope around this whole task and nothing else, or None.

    anyio gives every task of a group one since it has task handles; `TaskHandle.cancel()` is its way to cancel one.
    """
    coroutine = task.get_coro()
    frame = getattr(coroutine, "cr_frame", None)
    if frame is None or coroutine.cr_code.co_qualname != "TaskHandle._run_coro":
        return None
    return getattr(frame.f_locals.get("self"), "_cancel_scope", None)
