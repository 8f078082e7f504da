"""The bundles: where they lie, what their specs say, and what is missing of them.

Rule 1: it reads files and runs none of them; what a bundle proves is the business of `proof`.
Rule 2: standard library only, so that the documentation and the rules of the house can ask it as well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
SECTIONS = ("invariant", "trigger", "detection", "guardrail", "recovery", "where it happened")
FILES = ("spec.md", "scenario.py", "trace.json")
PROOFS = ("repro", "prevent", "recover")
NAME = re.compile(r"FM_(\d{3})_[a-z0-9_]+")


class CatalogueError(Exception):
    """A bundle cannot be had, read or run. `code` is stable: FMC1xx names, FMC2xx contents."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

    def __str__(self) -> str:
        return f"{self.args[0]} [{self.code}]"

    def __reduce__(self) -> tuple[type[CatalogueError], tuple[str, str]]:
        return CatalogueError, (self.code, self.args[0])  # proofs run in other processes, and their errors come back


@dataclass(frozen=True, slots=True)
class Patch:
    """The guardrail, as what taking it away does to `scenario.py`.

    taken: its lines, in one block, as they stand there but for their indentation.   left: what stands there instead.
    """

    taken: tuple[str, ...]
    left: tuple[str, ...]

    def applied_to(self, source: str, place: str) -> str:
        """The source without the guardrail. Raises CatalogueError (FMC204) unless its lines stand there just once."""
        lines = source.splitlines()
        size = len(self.taken)
        bare = [line.strip() for line in lines]
        found = [at for at in range(len(lines) - size + 1) if tuple(bare[at : at + size]) == self.taken]
        if size == 0 or len(found) != 1:
            raise CatalogueError(
                "FMC204",
                f"{place}: the guardrail of spec.md stands {len(found)} times in scenario.py, expected once. Write its "
                "lines into a block ```diff below «Guardrail», each after «-», as they are in the code",
            )
        (at,) = found
        indent = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
        instead = [indent + line for line in self.left or ("pass",)]
        return "\n".join([*lines[:at], *instead, *lines[at + size :], ""])


@dataclass(frozen=True, slots=True)
class Spec:
    """What a `spec.md` says. sections: text by the words of SECTIONS."""

    place: str
    title: str
    sections: Mapping[str, str]

    def first_sentence(self, section: str) -> str:
        """The first sentence of a section, on one line."""
        paragraph = re.split(r"\n\s*\n", self.sections[section], maxsplit=1)[0]
        return re.split(r"(?<=[.!?])\s", " ".join(paragraph.split()), maxsplit=1)[0]

    @property
    def faults(self) -> tuple[str, ...]:
        """The triggers, each of which alone breaks the invariant; the first one is what the others are told by."""
        lines = [line.strip() for block in self._blocks("trigger", "faults") for line in block.splitlines()]
        return tuple(line for line in lines if line)

    @property
    def runs_max(self) -> int:
        """Within how many runs an exploration finds it that is told nothing. Raises CatalogueError (FMC203)."""
        found = re.search(r"finds it within (\d+) runs", " ".join(self.sections["trigger"].split()))
        if found is None:
            raise CatalogueError(
                "FMC203", f"{self.place}: «Trigger» does not say «finds it within N runs» of a bare exploration"
            )
        return int(found.group(1))

    @property
    def guardrail(self) -> Patch:
        """The lines without which the failure is back."""
        lines = [line for block in self._blocks("guardrail", "diff") for line in block.splitlines()]
        return Patch(
            tuple(line[1:].strip() for line in lines if line.startswith("-")),
            tuple(line[1:].removeprefix(" ") for line in lines if line.startswith("+")),
        )

    @property
    def untold(self) -> tuple[str, ...]:
        """What is missing below «Where it happened», of what makes it more than a thought."""
        told = " ".join(self.sections["where it happened"].split())
        lacks = {"](": "link to an incident", "In production it looks like": "sentence «In production it looks like …»"}
        return tuple(what for sign, what in lacks.items() if sign not in told)

    def _blocks(self, section: str, language: str) -> list[str]:
        return re.findall(rf"^```{language}\n(.*?)^```$", self.sections[section], re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Bundle:
    """One failure mode."""

    folder: Path

    @property
    def number(self) -> str:
        """Its three digits."""
        return self.folder.name[3:6]

    @property
    def name(self) -> str:
        """What it is called in commands: FM_001."""
        return f"FM_{self.number}"

    @property
    def module(self) -> str:
        """Where its scenario is imported from."""
        return f"{self.folder.parent.name}.{self.folder.name}.scenario"

    @property
    def scenario(self) -> Path:
        """Its program, in a broken and a guarded variant."""
        return self.folder / "scenario.py"

    @property
    def trace(self) -> Path:
        """The recorded failure of the broken variant."""
        return self.folder / "trace.json"

    def spec(self) -> Spec:
        """What is said of it. Raises CatalogueError (FMC200 no spec, FMC201 no title, FMC202 a section missing)."""
        place = f"{self.folder.name}/spec.md"
        try:
            text = (self.folder / "spec.md").read_text(encoding="utf-8")
        except OSError as error:
            raise CatalogueError("FMC200", f"{place} cannot be read: {error.strerror}") from error
        return read_spec(text, place)


def read_spec(text: str, place: str) -> Spec:
    """Read a spec. place: what errors call it. Raises CatalogueError (FMC201, FMC202)."""
    title = re.search(r"^# (.+)$", text, flags=re.MULTILINE)
    if title is None:
        raise CatalogueError("FMC201", f"{place}: has no title")
    parts = re.split(r"^##[ \t]+(.+)$", text, flags=re.MULTILINE)
    bodies = {heading.lower(): body.strip() for heading, body in zip(parts[1::2], parts[2::2], strict=True)}
    sections: dict[str, str] = {}
    for wanted in SECTIONS:
        body = next((body for heading, body in bodies.items() if wanted in heading), None)
        if not body:
            raise CatalogueError("FMC202", f"{place}: has no section «{wanted}», or an empty one")
        sections[wanted] = body
    return Spec(place, title.group(1), sections)


def bundles(folder: Path = FOLDER) -> tuple[Bundle, ...]:
    """All of them, by number."""
    return tuple(Bundle(path) for path in sorted(folder.glob("FM_*")) if path.is_dir())


def find(name: str, folder: Path = FOLDER) -> Bundle:
    """The bundle of a name as people type it: `FM_001`, `fm1`, `1`. Raises CatalogueError (FMC101)."""
    known = bundles(folder)
    digits = re.fullmatch(r"(?:FM_?)?(\d{1,3})(?:_\w+)?", name, re.IGNORECASE)
    for bundle in known:
        if digits is not None and int(digits.group(1)) == int(bundle.number):
            return bundle
    names = ", ".join(bundle.name for bundle in known) or "none"
    raise CatalogueError("FMC101", f"there is no failure mode «{name}»; there are: {names}")


def complaints(bundle: Path, tests: Path) -> list[str]:
    """What a bundle lacks to be whole: files, parts of its spec, tests. tests: the folder of all proofs' tests."""
    numbered = NAME.fullmatch(bundle.name)
    if numbered is None:
        return [f"{bundle.name}: is not named FM_NNN_name"]
    lacks = [f"{bundle.name}: has no {name}" for name in FILES if not (bundle / name).is_file()]
    for proof in PROOFS:
        name = f"test_{proof}_fm{numbered.group(1)}.py"
        if not (tests / name).is_file():
            lacks.append(f"{bundle.name}: has no {tests.name}/{name}")
    if (bundle / "spec.md").is_file():
        lacks += _objections(Bundle(bundle))
    return lacks


def _objections(bundle: Bundle) -> list[str]:
    try:
        spec = bundle.spec()
        spec.runs_max  # noqa: B018 - it is read to see whether it can be
        if bundle.scenario.is_file():
            spec.guardrail.applied_to(bundle.scenario.read_text(encoding="utf-8"), spec.place)
    except CatalogueError as error:
        return [str(error)]
    lacks = [] if spec.faults else [f"{spec.place}: «Trigger» has no block ```faults"]
    return lacks + [f"{spec.place}: «Where it happened» has no {what}" for what in spec.untold]
