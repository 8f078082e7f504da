"""Write what the documentation derives from the code, or check that it is up to date.

    python docs/generate.py            write
    python docs/generate.py --check    write nothing; exit 1 and name what differs

It derives the index of failure modes from `failure_modes/FM_*/spec.md`, the JSON Schema of a trace from
`python -m faultloop schema`, and, between the marks `<!-- NAME -->` and `<!-- /NAME -->`, the tables of aqueue, the
findings in released queues, and the story of the first failure in `examples/pool.py`.
What it needs and does not find is an error, never an empty table.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from failure_modes.catalogue import PROOFS, Bundle, CatalogueError, bundles, find  # noqa: E402
from failure_modes.released.findings import FINDINGS, Finding  # noqa: E402

INDEX = Path("docs/failure_mode_index.md")
SCHEMA = Path("faultloop/model/trace.schema.json")

INDEX_HEAD = """\
# Index of failure modes

Generated from `failure_modes/FM_*/spec.md` by `make docs`.
How a bundle is built: [the methodology](03_failure_modes.md). «Found within»: by a bare `explore` of the broken
variant, which is told nothing but its name.

| failure mode | violated invariant | guardrail | found within, runs | proof |
| --- | --- | --- | ---: | --- |
"""

EXAMPLE = "examples/pool.py:scenario"
MARKED = {
    Path("README.md"): ("story",),
    Path("docs/released_queues.md"): ("findings",),
    Path("docs/04_happy_path.md"): ("states",),
    Path("docs/05_aqueue.md"): ("transitions", "points", "errors"),
}
ASK_QUEUE = """
import inspect, json
from aqueue import errors, lifecycle, points
rows = [
    [state, step.__name__, inspect.getdoc(step), target, event]
    for (state, step), targets in lifecycle.TABLE.items() for target, event in targets.items()
]
named = [getattr(errors, name) for name in errors.__all__]
print(json.dumps({
    "steps": rows,
    "points": [[name, point.what] for name, point in points.POINTS.items()],
    "errors": sorted([error.code, error.__name__, inspect.getdoc(error)] for error in named),
}))
"""


class Missing(Exception):
    """Something that the documentation is derived from is not there."""


def index(root: Path) -> str:
    """The table of all failure modes, by number."""
    found = bundles(root / "failure_modes")
    if not found:
        raise Missing("failure_modes/FM_*: there is none")
    return INDEX_HEAD + "".join(row(root, bundle) for bundle in found)


def row(root: Path, bundle: Bundle) -> str:
    """One line of the index, with the first sentences of what the spec says."""
    try:
        spec = bundle.spec()
        proofs = [f"tests/failure_modes/test_{proof}_fm{bundle.number}.py" for proof in PROOFS]
        for proof in proofs:
            if not (root / proof).is_file():
                raise Missing(f"{proof}: {bundle.name} has no such proof")
        cells = [
            f"[{spec.title}](../failure_modes/{bundle.folder.name}/spec.md)",
            spec.first_sentence("invariant"),
            spec.first_sentence("guardrail"),
            f"{spec.runs_max}",
            " · ".join(f"[{proof.split('_')[2]}](../{proof})" for proof in proofs),
        ]
    except CatalogueError as error:
        raise Missing(str(error)) from error
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |\n"


def schema(root: Path) -> str:
    """The JSON Schema of a trace, as faultloop itself publishes it."""
    command = [sys.executable, "-m", "faultloop", "schema"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode or not done.stdout.strip():
        raise Missing(f"python -m faultloop schema: exit {done.returncode}\n{done.stderr}")
    return done.stdout


def story(root: Path) -> str:
    """The first failure of the README's example as `explore` prints it, without the commands below it."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "faultloop", "explore", EXAMPLE, "--tasks", "worker-*", "--out", folder]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60, check=False)
    told = re.search(r"^── 1 of \d+ ─+\n(.+?)\n\n  (?:also|replay) ", done.stdout, re.DOTALL | re.MULTILINE)
    if told is None:
        raise Missing(f"explore {EXAMPLE}: no failure was told, exit {done.returncode}\n{done.stderr}")
    return f"```\n{told[1]}\n```"


def queue_tables(root: Path) -> dict[str, str]:
    """What aqueue's own tables say, as blocks of Markdown by name."""
    done = subprocess.run(
        [sys.executable, "-c", ASK_QUEUE], cwd=root, capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode:
        raise Missing(f"the tables of aqueue: exit {done.returncode}\n{done.stderr}")
    told = json.loads(done.stdout)
    arrows: dict[tuple[str, str], list[str]] = {}
    for state, step, _, target, _ in told["steps"]:
        arrows.setdefault((state, target), []).append(words(step))
    ends = {target for *_, target, _ in told["steps"]} - {state for state, *_ in told["steps"]}
    diagram = ["```mermaid", "stateDiagram-v2", "  [*] --> pending: enqueue"]
    diagram += [f"  {state} --> {target}: {' · '.join(steps)}" for (state, target), steps in arrows.items()]
    diagram += [f"  {state} --> [*]" for state in sorted(ends)]
    first = [(state, step, doc.splitlines()[0], target, event) for state, step, doc, target, event in told["steps"]]
    return {
        "states": "\n".join([*diagram, "```"]),
        "transitions": table(
            ("from", "step", "to", "event", "what"),
            [(state, f"`{step}`", target, event or "–", doc) for state, step, doc, target, event in first],
        ),
        "points": table(("point", "where"), [(f"`{name}`", what) for name, what in told["points"]]),
        "errors": table(
            ("code", "error", "what"),
            [(code, f"`{name}`", doc.splitlines()[0]) for code, name, doc in told["errors"]],
        ),
    }


def findings_table(root: Path) -> str:
    """What was found in released queues, a line each."""
    head = (
        "release",
        "failure mode",
        "what does not hold",
        "explored with",
        "an address",
        "the control",
        "said by the library",
    )
    return table(head, [finding_row(root, each) for each in FINDINGS])


def finding_row(root: Path, finding: Finding) -> tuple[str, ...]:
    """One line of that table."""
    if not (root / finding.path).is_file():
        raise Missing(f"{finding.path}: {finding.name} has no such module")
    try:
        mode = find(finding.mode, root / "failure_modes")
    except CatalogueError as error:
        raise Missing(f"{finding.name}: {error}") from error
    faults = finding.found
    return (
        f"[{finding.library} {finding.version}](../{finding.path})",
        f"[{finding.mode}](../failure_modes/{mode.folder.name}/spec.md)",
        finding.violated,
        f"`--faults {','.join(faults.kinds)} --tasks '{faults.tasks}'`, {faults.runs} runs",
        f"`{finding.fault}`",
        finding.control,
        finding.documented,
    )


def words(name: str) -> str:
    """RequestCancel as «request cancel»."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines)


def filled(root: Path, path: Path, blocks: dict[str, str]) -> str:
    """A document with each block between its marks."""
    text = read(root / path)
    if text is None:
        raise Missing(f"{path}: it is not there")
    for name in MARKED[path]:
        mark = re.compile(rf"(?<=<!-- {name} -->\n).*?(?=<!-- /{name} -->\n)", re.DOTALL)
        if len(mark.findall(text)) != 1:
            raise Missing(f"{path}: has no marks <!-- {name} --> and <!-- /{name} -->")
        text = mark.sub(lambda _, name=name: f"\n{blocks[name]}\n\n", text)  # type: ignore[misc]
    return text


def main(arguments: list[str], root: Path = ROOT) -> int:
    """Returns the exit code: 0 written or up to date, 1 out of date or something missing."""
    parser = argparse.ArgumentParser(description="Write the generated documentation, or check it.")
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 if something differs")
    check = parser.parse_args(arguments).check
    try:
        wanted = {INDEX: index(root), SCHEMA: schema(root)}
        blocks = queue_tables(root) | {"findings": findings_table(root), "story": story(root)}
        wanted |= {path: filled(root, path, blocks) for path in MARKED}
    except Missing as missing:
        print(f"docs: {missing}", file=sys.stderr)
        return 1
    stale = [path for path, text in wanted.items() if read(root / path) != text]
    for path in stale:
        if check:
            print(f"docs: {path} is out of date. Write it again: make docs", file=sys.stderr)
        else:
            (root / path).write_text(wanted[path], encoding="utf-8")
            print(f"wrote {path}")
    return 1 if check and stale else 0


def read(path: Path) -> str | None:
    """What stands in a file, or None where there is none."""
    return path.read_text(encoding="utf-8") if path.is_file() else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
