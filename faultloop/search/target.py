"""From the name of a scenario to the scenario: load a target, and say in one sentence why it cannot be loaded.

Where the source lies is `faultloop.search.place`; this module imports it and checks that what it finds is an async
callable that needs no arguments.

Rule 1: a confined target (one that a trace names) is executed only from files under the root, its packages too. The
import system is not asked for it, because a package of the same name elsewhere could answer.
"""

from __future__ import annotations

import ast
import difflib
import functools
import hashlib
import importlib
import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Coroutine
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from faultloop.errors import ImportRefused, TargetError
from faultloop.search.place import (
    Place,
    find_root,
    is_file_source,
    locate,
    package_files,
    relative_ref,
    shown,
    split_ref,
    under_pytest,
)

__all__ = ["Scenario", "find_root", "fingerprint", "is_test", "load_target", "relative_ref"]

Scenario = Callable[[], Coroutine[Any, Any, object]]
_NAMES_SHOWN_MAX = 8


def load_target(ref: str, *, root: str | os.PathLike[str], confined: bool = False) -> Scenario:
    """Import the module of a target and return its function.

    ref: `path/to/file.py:function`, relative to root, or `package.module:function`.
    confined: refuse what is not under root, as for a target that a trace names.
    Raises TargetError (FL104), or ImportRefused (FL106) before anything was imported.
    """
    base = Path(root)
    _require_function(ref, base, confined=confined)
    place = locate(ref, root=base, confined=confined)
    module = _import_place(place, ref) if place else _import_named(ref, base)
    function = split_ref(ref)[1]
    # vars, not getattr: the name must stand in the module; a module's own __getattr__ has no say in what a trace runs.
    members = cast("dict[str, object]", vars(module))
    if function not in members:
        raise _no_such_function(ref, function, [name for name, value in members.items() if _is_async(value)])
    return _checked(members[function], ref)


def is_test(ref: str) -> bool:
    """Whether a trace's target is a test, by pytest's node id. One that a person typed may be a function after `::`."""
    return "::" in ref


def fingerprint(ref: str, *, root: str | os.PathLike[str]) -> str:
    """`sha256:…` of a target's source file; empty when there is no one file to look at."""
    try:
        source = ref.partition("::")[0] + ":test" if is_test(ref) else ref
        place = locate(source, root=Path(root), confined=False)
        return "" if place is None else "sha256:" + hashlib.sha256(place.file.read_bytes()).hexdigest()
    except (TargetError, OSError):
        return ""


def _require_function(ref: str, root: Path, *, confined: bool) -> None:
    """Complain of a file without a function while the names in it can still be offered, without running it."""
    if ":" in ref or confined or not ref.endswith(".py") or not os.path.isfile(root / ref):
        return
    try:
        tree = ast.parse((root / ref).read_bytes())
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return
    functions = [node for node in tree.body if isinstance(node, ast.AsyncFunctionDef)]
    # Those that could be a scenario first: the offer is meant to be pasted.
    names = [node.name for node in sorted(functions, key=lambda node: bool(node.args.args or node.args.posonlyargs))]
    offer = f"It has {_listed(names)}: write {shown(ref)}:{names[0]}" if names else "It has no async function"
    raise TargetError(f'"{shown(ref)}" names no function. {offer}.')


# Importing


def _import_place(place: Place, ref: str) -> ModuleType:
    """Execute a place's packages and then the place, each from its own file."""
    if str(place.base) not in sys.path:
        sys.path.insert(0, str(place.base))
    names = place.module.split(".")
    for depth, file in enumerate(package_files(place), start=1):
        _load(".".join(names[:depth]), file, ref, is_package=True)
    name = place.module
    if len(names) == 1 and _taken(name, place.file):
        # A scenario in queue.py must not stand in for the standard library's queue.
        name = f"faultloop_target_{name}"
    return _load(name, place.file, ref, is_package=place.file.name == "__init__.py" and len(names) >= 1)


def _taken(name: str, file: Path) -> bool:
    present = sys.modules.get(name)
    return name in sys.modules and (present is None or not _is_from(present, file))


def _is_from(module: ModuleType, file: Path) -> bool:
    origins = [getattr(module, "__file__", None) or "", *map(str, getattr(module, "__path__", ()))]
    return os.path.realpath(file) in {os.path.realpath(origin) for origin in origins if origin}


def _load(name: str, file: Path, ref: str, *, is_package: bool) -> ModuleType:
    if name in sys.modules:
        if _taken(name, file):
            raise ImportRefused(
                f'"{shown(ref)}": the module name "{shown(name)}" is already taken by another file in this process.',
                code=TargetError.code,
            )
        return sys.modules[name]
    folders = [str(file if file.is_dir() else file.parent)] if is_package else None
    if file.is_dir():
        spec: ModuleSpec | None = ModuleSpec(name, None, is_package=True)
        assert spec is not None
        spec.submodule_search_locations = folders
    else:
        spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=folders)
    if spec is None:
        raise TargetError(f'"{shown(ref)}": {file} is not a Python file.')
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        if spec.loader is not None:
            spec.loader.exec_module(module)
    except BaseException as error:
        sys.modules.pop(name, None)
        raise _failed_import(error, ref, file) from error
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)
    return sys.modules.get(name, module)


def _import_named(ref: str, root: Path) -> ModuleType:
    module = split_ref(ref)[0]
    for folder in (root / "src", root):
        if folder.is_dir() and str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and (module == error.name or module.startswith(error.name + ".")):
            raise TargetError(
                f'cannot import "{shown(ref)}": there is no module "{shown(error.name)}". '
                f"Looked in {root} first: run from the project's root, or give --root."
            ) from error
        raise _failed_import(error, ref, None) from error
    except BaseException as error:
        raise _failed_import(error, ref, None) from error


def _failed_import(error: BaseException, ref: str, file: Path | None) -> BaseException:
    """The error to raise for what an import raised: its one line, not its traceback."""
    if isinstance(error, KeyboardInterrupt | TargetError):
        return error
    if isinstance(error, SystemExit):
        return TargetError(
            f'"{shown(ref)}" calls sys.exit when it is imported. Put that under: if __name__ == "__main__":'
        )
    try:
        message = " ".join(str(error).split())[:300]
    except Exception:
        message = "(its message cannot be made)"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if file is not None and os.path.realpath(frame.filename) == str(file)]
    place = f" (line {own[-1].lineno} of {own[-1].filename})" if own and not isinstance(error, SyntaxError) else ""
    return TargetError(f'"{shown(ref)}" fails when it is imported: {type(error).__name__}: {message}{place}.')


# Checking


def _checked(value: object, ref: str) -> Scenario:
    _, name = split_ref(ref)
    if inspect.iscoroutine(value):
        value.close()
        raise TargetError(f'"{shown(ref)}" is a coroutine that was already called: pass {name}, not {name}().')
    if not callable(value):
        raise TargetError(f'"{shown(ref)}" is of type {type(value).__name__}, not an async function.')
    if inspect.isclass(value):
        raise TargetError(f'"{shown(ref)}" is a class, not an async function.')
    if inspect.isasyncgenfunction(_innermost(value)):
        raise TargetError(f'"{shown(ref)}" is an async generator: it yields. A scenario is awaited; it may return.')
    if not _is_async(value):
        raise TargetError(f'"{shown(ref)}" is not async. Write it as: async def {name}().')
    if required := required_arguments(value):
        what_to_do = "Write an async function that calls it with them."
        source, _ = split_ref(ref)
        if name.startswith("test") and is_file_source(source):
            what_to_do = f"If they are fixtures, it is pytest that makes them. {under_pytest(f'{source}::{name}')}"
        raise TargetError(f'"{shown(ref)}" needs {required}; a scenario takes no arguments. {what_to_do}')
    return cast("Scenario", value)


def _is_async(value: object) -> bool:
    return callable(value) and inspect.iscoroutinefunction(_innermost(value))


def _innermost(value: object) -> object:
    """The function behind partials, `functools.wraps` and callable objects."""
    while isinstance(value, functools.partial):
        value = cast("object", value.func)
    if inspect.isfunction(value) and not inspect.iscoroutinefunction(value):
        try:
            return cast("object", inspect.unwrap(value))
        except ValueError:
            return value
    if not (inspect.isroutine(value) or inspect.isclass(value)):
        return cast("object", getattr(type(value), "__call__", value))  # noqa: B004  (its class's, not its own)
    return value


def required_arguments(value: Callable[..., object]) -> str:
    """The arguments that a function cannot be called without, as a list in words; empty if there are none."""
    try:
        parameters = inspect.signature(value).parameters.values()
    except (ValueError, TypeError):
        return ""
    open_ended = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return _listed([p.name for p in parameters if p.default is p.empty and p.kind not in open_ended])


def _no_such_function(ref: str, function: str, names: list[str]) -> TargetError:
    near = difflib.get_close_matches(function, names, n=1)
    hint = f'Did you mean "{near[0]}"? ' if near else ""
    there = f"Its async functions: {_listed(names)}." if names else "It has no async function."
    return TargetError(f'"{shown(ref)}": there is no function "{shown(function)}". {hint}{there}')


def _listed(names: list[str]) -> str:
    listed = ", ".join(names[:_NAMES_SHOWN_MAX])
    return listed + (", …" if len(names) > _NAMES_SHOWN_MAX else "")
