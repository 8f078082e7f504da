"""Observing modules: their functions report what they touch of plain state, for as long as that is wanted.

Code is changed in place: every function of an observed module gets another code object, whoever holds the function, and
its own one back at the end. So nothing that does not observe pays for it, and what was imported before is observed like
what is imported later. Coroutines that run already go on as they are.
"""

from __future__ import annotations

import gc
import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from types import CodeType, FunctionType, ModuleType
from typing import Any, cast

from faultloop.drivers.observed.code import Survey, is_observed, observe
from faultloop.errors import UsageError

NO_SUCH_MODULE, NOT_OBSERVABLE, NOT_THIS_PYTHON = "FL520", "FL521", "FL522"
_VERSIONS = ((3, 11), (3, 12), (3, 13))
"""Those whose code this knows how to change."""
_TARGET_PREFIX = "faultloop_target_"
"""What a scenario's module is called where its own name is taken (faultloop.search.target)."""


class Observation:
    """What is being observed.

    modules: names of the observed modules, in order.   unseen: modules that were meant and are compiled to machine
    code, so that nothing of them is seen.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self.patterns = tuple(patterns)
        self.modules: list[str] = []
        self.unseen: list[str] = []
        self._survey = Survey()
        self._changed: dict[_Identity, CodeType] = {}
        """By the changed code, by identity, its own one."""

    def covers(self, name: str) -> bool:
        """Whether a module of this name is meant: a name stands for the package below it too."""
        known = name.removeprefix(_TARGET_PREFIX)
        return any(
            fnmatchcase(known, pattern) or fnmatchcase(known, f"{pattern}.*") for pattern in self.patterns
        ) and not _is_off_limits(name)

    def add(self, modules: Iterable[ModuleType]) -> None:
        """Observe these modules from now on, those that have any Python in them."""
        fresh: list[ModuleType] = []
        for module in modules:
            if _is_compiled(module):
                self.unseen.append(module.__name__)
            else:
                fresh.append(module)
                self.modules.append(module.__name__)
        homes = {id(vars(module)): module for module in fresh}
        functions = [
            (function, homes[id(function.__globals__)])
            for function in _functions()
            if id(function.__globals__) in homes and not is_observed(function.__code__)
        ]
        for function, _ in functions:
            self._survey.study(function.__code__)
        made: dict[int, CodeType] = {}
        for function, module in functions:
            own = function.__code__
            changed = made.get(id(own))
            if changed is None:
                changed = made[id(own)] = observe(own, self._survey, module)
                self._remember(changed, own)
            function.__code__ = changed

    def _remember(self, changed: CodeType, own: CodeType) -> None:
        self._changed[_Identity(changed)] = own
        for outer, inner in zip(changed.co_consts, own.co_consts, strict=False):
            if isinstance(outer, CodeType):
                self._remember(outer, cast(CodeType, inner))

    def end(self) -> None:
        """Give every function its own code back, those made meanwhile too."""
        for function in _functions():
            own = self._changed.get(_Identity(function.__code__))
            if own is not None:
                function.__code__ = own
        self._changed.clear()


@contextmanager
def observed(patterns: Sequence[str]) -> Generator[Observation, None, None]:
    """Observe modules while the context lasts; what is imported meanwhile, from its import on.

    patterns: names (`myapp`: that module and all below it) and patterns (`myapp.*`, `tests.test_*`). A name that is not
    imported yet is imported; a pattern must match a module that is.   Enter it outside of a run. Entering and leaving
    look at every object of the process, and thaw those that `gc.freeze` froze: so enter it before that.
    Raises UsageError: FL520 no such module, FL521 one that cannot be observed, FL522 not on this version of Python.
    """
    if isinstance(patterns, str):
        raise UsageError(f'observe is a sequence of names: observe=["{patterns}"]', code=NO_SUCH_MODULE)
    if patterns and sys.version_info[:2] not in _VERSIONS:
        known = ", ".join(f"{major}.{minor}" for major, minor in _VERSIONS)
        raise UsageError(f"observing needs Python {known}; this is {sys.version.split()[0]}.", code=NOT_THIS_PYTHON)
    observation = Observation(patterns)
    if not patterns:
        yield observation
        return
    for pattern in patterns:
        _require(pattern, patterns)
    finder = _Finder(observation)
    try:
        present = cast("dict[str, object]", sys.modules)  # whatever a program puts there, None too
        observation.add(
            m for name, m in sorted(present.items()) if isinstance(m, ModuleType) and observation.covers(name)
        )
        sys.meta_path.insert(0, finder)
        yield observation
    finally:
        if finder in sys.meta_path:
            sys.meta_path.remove(finder)
        observation.end()


def _require(pattern: str, beside: Sequence[str]) -> None:
    """Import what a pattern names, and complain if there is nothing to observe. beside: all patterns, this one too."""
    is_name = all(part.isidentifier() for part in pattern.split("."))
    if is_name and (reason := _is_off_limits(pattern)):
        raise UsageError(f'cannot observe "{pattern}": {reason}.', code=NOT_OBSERVABLE)
    if is_name and f"{_TARGET_PREFIX}{pattern}" not in sys.modules:
        if (module := sys.modules.get(pattern)) is None:
            module = _import(pattern)
        if _is_compiled(module):
            file = getattr(module, "__file__", "built in")
            raise UsageError(
                f'cannot observe "{pattern}": it is compiled to machine code ({file}). '
                "Name the Python modules that use it.",
                code=NOT_OBSERVABLE,
            )
    elif not _is_there(pattern):
        if any(pattern.startswith(f"{other}.") for other in beside):
            return  # below a module that is named itself, which stands for all below it
        above = pattern.removesuffix(".*")
        advice = "Import it first, or give its full name."
        if _is_there(above):
            advice = f'There is "{above}", with nothing below it: name that, which means all below it too.'
        raise UsageError(f'cannot observe "{pattern}": no imported module matches. {advice}', code=NO_SUCH_MODULE)


def _is_there(pattern: str) -> bool:
    """Whether a module that is imported is meant by it."""
    return any(map(Observation([pattern]).covers, list(sys.modules)))


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            raise UsageError(
                f'cannot observe "{name}": there is no module "{error.name}".', code=NO_SUCH_MODULE
            ) from error
        raise


def _is_off_limits(name: str) -> str:
    """Why modules of this name are never observed, or nothing."""
    top = name.partition(".")[0]
    if top == "faultloop":
        return "that is the observer"
    return "it is the standard library's" if top in sys.stdlib_module_names and top != "__main__" else ""


def _is_compiled(module: ModuleType) -> bool:
    loader = getattr(module.__spec__, "loader", None)
    return isinstance(loader, importlib.machinery.ExtensionFileLoader) or loader is importlib.machinery.BuiltinImporter


def _functions() -> list[FunctionType]:
    """All functions of the process that the collector knows."""
    # It does not tell of what is frozen. Freezing again would freeze all that was made since, for good.
    gc.unfreeze()
    return [each for each in gc.get_objects() if type(each) is FunctionType]


class _Finder(importlib.abc.MetaPathFinder):
    """Observes modules as soon as they are imported; they are found and executed as always."""

    def __init__(self, observation: Observation) -> None:
        self._observation = observation

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """What the other finders say."""
        if not self._observation.covers(fullname):
            return None
        for finder in sys.meta_path:
            if finder is self:
                continue
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = cast(Any, _Loader(spec.loader, self._observation))
                return spec
        return None


class _Loader:
    """Loads a module as its own loader does, leaves it to that loader, and observes it."""

    def __init__(self, own: Any, observation: Observation) -> None:
        self._own = own
        self._observation = observation

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)

    def exec_module(self, module: ModuleType) -> None:
        """Execute it, and observe what came of it. The module never hears of this loader."""
        cast(Any, module).__loader__ = self._own
        if module.__spec__ is not None:
            module.__spec__.loader = self._own
        self._own.exec_module(module)
        self._observation.add([module])


class _Identity:
    """A key that is the object itself: code objects of equal content are equal, and one may be changed and one not."""

    def __init__(self, code: CodeType) -> None:
        self._code = code

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and other._code is self._code

    def __hash__(self) -> int:
        return id(self._code)
