"""The beginning of a bundle: every file it needs, and tests that fail until it says and shows something.

It writes into a checkout of the project, and never over a file that is there.
"""

from __future__ import annotations

import re
from pathlib import Path

from failure_modes.catalogue import FOLDER, NAME, CatalogueError

TESTS = FOLDER.parent / "tests" / "failure_modes"

SPEC = """\
# {name} {title}

## Violated invariant

One sentence that can be checked.

## Trigger

What happens, to whom, at which await.

```faults
cancel worker @ handle>sleep #1 parked
```

A bare `python -m faultloop explore failure_modes/{folder}/scenario.py:broken` finds it within 100 runs.

## Detection

A query over what is stored, or a metric that a running system can afford.

## Guardrail

The mechanism that makes the same fault harmless.

```diff
- the line of scenario.py without which the failure is back
```

## Recovery

The step that repairs the damage, and why it may be stopped and run again.

## Where it happened

- A project and its version: what happened, with a link.

In production it looks like what an operator sees first.
"""

SCENARIO = '''\
"""{name}: what goes wrong, in one line.

broken     what it does wrong
guarded    what it does instead
"""

from __future__ import annotations

from dataclasses import dataclass, field

import anyio


@dataclass(slots=True)
class Book:
    """What the system leaves behind, as plain data."""

    done: list[str] = field(default_factory=list)


async def broken() -> None:
    """The system without the guardrail."""
    assert_holds(await damaged())


async def guarded() -> None:
    """The same system with it."""
    assert_holds(await work())


async def damaged() -> Book:
    """What `broken` leaves behind."""
    return await work()


async def work() -> Book:
    """The system."""
    book = Book()
    await anyio.sleep(1)
    book.done.append("something")
    return book


def assert_holds(book: Book) -> None:
    """The invariant."""
    assert book.done == ["something"], f"everything is done once: {{book.done}}"


async def repair(book: Book) -> None:
    """The recovery."""
'''

TEST = {
    "repro": '''\
"""{name} is real."""

from failure_modes.catalogue import find
from failure_modes.proof import repro


def test_the_broken_variant_fails_as_specified():
    assert repro(find("{name}")).objections == ()
''',
    "prevent": '''\
"""The guardrail of {name} holds."""

from failure_modes.catalogue import find
from failure_modes.proof import prevent


def test_the_guarded_variant_holds_wherever_the_fault_lands():
    assert prevent(find("{name}")).objections == ()
''',
    "recover": '''\
"""The damage of {name} can be repaired."""

from failure_modes.catalogue import find
from failure_modes.proof import recover


def test_the_repair_restores_the_invariant_however_it_is_stopped():
    assert recover(find("{name}")).objections == ()
''',
}


def scaffold(name: str, words: str, *, folder: Path = FOLDER, tests: Path = TESTS) -> list[Path]:
    """Write a bundle's files and return where. Raises CatalogueError (FMC103 to FMC106)."""
    bundle = f"{name}_{words}"
    if NAME.fullmatch(bundle) is None or not re.search("[a-z]", words) or not re.fullmatch(r"FM_\d{3}", name):
        raise CatalogueError(
            "FMC103", f"«{name} {words}» is no name for a bundle: write FM_NNN, then small letters, digits and _"
        )
    if not tests.is_dir():
        raise CatalogueError("FMC105", f"there is no folder {tests}: bundles are begun in a checkout of the project")
    if there := sorted(path.name for path in folder.glob(f"{name}_*")):
        raise CatalogueError("FMC104", f"{name} is taken, by {there[0]}: choose another number")
    said = {"name": name, "title": words.replace("_", " ").capitalize(), "folder": bundle}
    files = {
        folder / bundle / "__init__.py": f'"""{name}: {words.replace("_", " ")}."""\n',
        folder / bundle / "spec.md": SPEC.format(**said),
        folder / bundle / "scenario.py": SCENARIO.format(**said),
        **{tests / f"test_{kind}_fm{name[3:]}.py": text.format(**said) for kind, text in TEST.items()},
    }
    for path, text in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise CatalogueError("FMC106", f"{path} cannot be written: {error.strerror}") from error
    return list(files)
