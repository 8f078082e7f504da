"""The rules of the house, each a function from a source to its complaints.

Rule 1: pure. A rule reads one parsed module, one text or one folder, and returns sentences that begin with the place.
Rule 2: no complaint, no exception: an empty list means that the rule holds there.

Which files a rule is asked about is the tests' business, not this module's.
"""

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

LINES_PER_MODULE_MAX = 400
LINES_PER_FUNCTION_MAX = 60

# Lowest first. What is in faultloop and not named here is a surface, above them all.
LAYERS = ("errors", "model", "deciders", "engine", "drivers", "world", "checks", "search", "report")
LOOP_LAYERS = frozenset({"drivers", "world"})
LOOPS = frozenset({"asyncio", "trio"})
CORE_DEPENDENCIES = frozenset({"faultloop", "msgspec"})
PRINTING_PARTS = frozenset({"cli", "report", "__main__"})


@dataclass(frozen=True, slots=True)
class Module:
    """One Python source: where it stands in the project and what it says."""

    root: Path
    path: str
    """Relative to root, with forward slashes."""
    text: str
    tree: ast.Module

    @classmethod
    def read(cls, root: Path, path: str) -> "Module":
        """The module at `path` below `root`."""
        text = (root / path).read_text(encoding="utf-8")
        return cls(root, path, text, ast.parse(text, filename=path))

    @property
    def parts(self) -> tuple[str, ...]:
        """The dotted name in parts; a package's own module ends in `__init__`."""
        return Path(self.path).with_suffix("").parts

    def at(self, node: ast.AST, complaint: str) -> str:
        """The complaint, with its place before it."""
        return f"{self.path}:{getattr(node, 'lineno', 1)}: {complaint}"


@dataclass(frozen=True, slots=True)
class Import:
    """One imported module, and under what conditions the import statement is reached."""

    node: ast.stmt
    target: str
    """Dotted and absolute."""
    deferred: bool
    """Inside a function: not reached by importing the module."""
    guarded: bool
    """Under an `if` that asks `sys.modules`, so only where somebody else has imported it already."""
    for_types: bool
    """Under `if TYPE_CHECKING`: never reached at all."""


# Imports


def imports(module: Module) -> Iterator[Import]:
    """All imports of a module, in any function or branch."""
    yield from _imports(module, module.tree, deferred=False, guarded=False, for_types=False)


def _imports(module: Module, node: ast.AST, *, deferred: bool, guarded: bool, for_types: bool) -> Iterator[Import]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        for target in _targets(module, node):
            yield Import(node, target, deferred, guarded, for_types)
    deferred = deferred or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    condition = ast.unparse(node.test) if isinstance(node, ast.If) else ""
    branch: list[ast.stmt] = node.body if isinstance(node, ast.If) else []
    for child in ast.iter_child_nodes(node):
        asked = child in branch and "sys.modules" in condition and "not in sys.modules" not in condition
        typed = child in branch and condition in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
        yield from _imports(module, child, deferred=deferred, guarded=guarded or asked, for_types=for_types or typed)


def _targets(module: Module, node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = node.module or ""
    if node.level:
        package = module.parts[: -node.level]
        base = ".".join((*package, base)) if base else ".".join(package)
    return [_submodule(module.root, base, alias.name) for alias in node.names]


def _submodule(root: Path, base: str, name: str) -> str:
    """`from base import name` names a module where there is one, and otherwise something inside base."""
    path = root.joinpath(*base.split("."), name)
    return f"{base}.{name}" if path.is_dir() or path.with_suffix(".py").is_file() else base


def layer(dotted: Iterable[str]) -> int:
    """How high a module of faultloop stands: the place of its layer, surfaces last."""
    name = (*dotted, "__init__")[1]
    return LAYERS.index(name) if name in LAYERS else len(LAYERS)


def upward_imports(module: Module) -> list[str]:
    """A module of faultloop imports from its own layer and from lower ones."""
    own = layer(module.parts)
    return [
        module.at(found.node, f"{_layer_name(own)} imports {found.target}, which stands above it")
        for found in imports(module)
        if found.target.split(".")[0] == "faultloop" and layer(found.target.split(".")) > own
    ]


def _layer_name(place: int) -> str:
    return LAYERS[place] if place < len(LAYERS) else "surfaces"


def loop_imports(module: Module) -> list[str]:
    """Only drivers and world know asyncio and trio, even inside functions."""
    if len(module.parts) > 1 and module.parts[1] in LOOP_LAYERS:
        return []
    return [
        module.at(found.node, f"imports {found.target}; only {' and '.join(sorted(LOOP_LAYERS))} may")
        for found in imports(module)
        if found.target.split(".")[0] in LOOPS and not found.for_types
    ]


def driver_imports(module: Module) -> list[str]:
    """What drivers have in common knows none of them, and no driver knows another."""
    if module.parts[:2] != ("faultloop", "drivers"):
        return []
    others = {f"faultloop.drivers.{loop}" for loop in LOOPS if loop not in module.parts[2:-1]}
    return [
        module.at(found.node, f"imports {found.target}")
        for found in imports(module)
        if any(f"{found.target}.".startswith(f"{other}.") for other in others)
    ]


def foreign_imports(module: Module) -> list[str]:
    """faultloop needs the standard library and its codec; all else is imported only where it is in use.

    In use means: inside a function of a surface, under an `if` that asks sys.modules,
    or in a module that is named for the library (drivers/trio/driver.py may import trio).
    """
    surface = layer(module.parts) == len(LAYERS)
    complaints = []
    for found in imports(module):
        library = found.target.split(".")[0]
        at_home = library in sys.stdlib_module_names or library in CORE_DEPENDENCIES
        excused = found.for_types or found.guarded or (found.deferred and surface)
        if not at_home and not excused and not named_for(module.path, library):
            complaints.append(module.at(found.node, f"imports {library}, which the core must do without"))
    return complaints


def named_for(path: str, library: str) -> bool:
    """Whether a module's file or folder name begins with the library's name."""
    name = library.lstrip("_")
    return any(part == name or part.startswith(f"{name}_") for part in Path(path).with_suffix("").parts[1:])


def crossings(module: Module, forbidden: Iterable[str]) -> list[str]:
    """The module imports none of the forbidden packages."""
    return [
        module.at(found.node, f"imports {found.target}")
        for found in imports(module)
        if found.target.split(".")[0] in forbidden
    ]


# Size, words, leftovers


def oversize(module: Module) -> list[str]:
    """A module and each of its functions fit in a reader's head."""
    complaints = []
    lines = len(module.text.splitlines())
    if lines > LINES_PER_MODULE_MAX:
        complaints.append(f"{module.path}:1: {lines} lines, at most {LINES_PER_MODULE_MAX}")
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > LINES_PER_FUNCTION_MAX:
                complaints.append(module.at(node, f"{node.name} has {lines} lines, at most {LINES_PER_FUNCTION_MAX}"))
    return complaints


def undocumented(module: Module) -> list[str]:
    """The module, and each public function and class at its top level, has a docstring."""
    complaints = [] if ast.get_docstring(module.tree) else [f"{module.path}:1: the module has no docstring"]
    for node in module.tree.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if not node.name.startswith("_") and not ast.get_docstring(node):
            complaints.append(module.at(node, f"{node.name} has no docstring"))
    return complaints


def prints(module: Module) -> list[str]:
    """Only what people read on a terminal prints."""
    if PRINTING_PARTS & set(module.parts):
        return []
    return [
        module.at(node, "prints")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]


_NOUNS = "steps runs awaits points tasks faults events failures orders choices turns classes tests deviations"
_COUNTED = re.compile(rf" (?:\w+ )?(?:{_NOUNS.replace(' ', '|')})\b")


def fixed_plurals(module: Module) -> list[str]:
    """No number stands before a plural that stays one behind a 1. The name of a constant is a number that is known."""
    return [
        module.at(node, f"«{after.value.strip()}» behind a number: faultloop.model.text.counted knows better")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.JoinedStr)
        for number, after in pairwise(node.values)
        if isinstance(number, ast.FormattedValue)
        and not (isinstance(number.value, ast.Name) and number.value.id.isupper())
        and isinstance(after, ast.Constant)
        and isinstance(after.value, str)
        and _COUNTED.match(after.value)
    ]


# One character of each word stands in brackets, so that this file does not complain of itself.
_LEFTOVER = re.compile(r"\b(?:TOD[O]|FIXM[E])\b")
_MACHINE_PATH = re.compile(r"(?:(?<![\w.~/-])|(?<=://))/(?:home|root|Users|work)/\w|\b[A-Z]:\\{1,2}Users\b")
_REGISTRY_HOST = re.compile(r"\b(?:pypi\.org|pythonhosted\.org|registry\.npmjs\.org|registry\.yarnpkg\.com)\b")


def leftovers(path: str, text: str) -> list[str]:
    """No work is left lying as a note in a file."""
    return _matches(path, text, _LEFTOVER, "is an issue, not a note in a file")


def machine_names(path: str, text: str) -> list[str]:
    """No file names a place on one machine, or the host of a package registry."""
    return [
        *_matches(path, text, _MACHINE_PATH, "is a place on one machine"),
        *_matches(path, text, _REGISTRY_HOST, "is the host of a package registry"),
    ]


def _matches(path: str, text: str, pattern: re.Pattern[str], complaint: str) -> list[str]:
    return [
        f"{path}:{number}: «{match.group()}» {complaint}"
        for number, line in enumerate(text.splitlines(), start=1)
        for match in pattern.finditer(line)
    ]
