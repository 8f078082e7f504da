"""Which of the user's own source files this process has loaded, and what tells their present text.

What a fault leads to may lie in a file that no calm run waits in: a helper that never awaits, a table of constants.
Whose a file is, `faultloop.drivers.own` says. Data that a program reads is no source.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping

from faultloop.drivers.own import is_user_file

_NAMED_MAX = 3


def own_sources(root: str | os.PathLike[str]) -> dict[str, str]:
    """Of each of the user's own files that a module was loaded from, what tells its present text.

    By its name relative to root, where it is under it, else by its whole path. Of the scenario that ran last.
    """
    base = os.path.join(os.path.realpath(root), "")
    marks: dict[str, str] = {}
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or not file.endswith(".py") or not is_user_file(file):
            continue
        real = os.path.realpath(file)
        try:
            with open(real, "rb") as text:
                marks[real.removeprefix(base).replace(os.sep, "/")] = hashlib.sha256(text.read()).hexdigest()[:16]
        except OSError:
            continue  # it is no longer there
    return dict(sorted(marks.items()))


def changed_in_words(there: Mapping[str, str], here: Mapping[str, str]) -> str:
    """Which files, of those that both know, have another text; empty if none has.

    A file that only one side has loaded says nothing: a process may have loaded it for something else, and if the
    program does, another of its files was changed.
    """
    changed = [file for file, mark in there.items() if here.get(file, mark) != mark]
    more = len(changed) - _NAMED_MAX
    return ", ".join(changed[:_NAMED_MAX]) + (f" and {more} more" if more > 0 else "")
