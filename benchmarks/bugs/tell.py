"""What was found, told: bug by bug in docs/found.md, with the report as the tool printed it, and in tables.

    python benchmarks/bugs/tell.py [--check]

Made from the results that are committed (`--write` of `run.py` and of `../peers/bugs.py`), between the marks that
docs/found.md and docs/benchmarks.md have for it. --check writes nothing and exits with 1 if they say something else.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.bugs.corpus import ROOT, Case, all_cases
from benchmarks.bugs.open_field import table_of_all
from benchmarks.bugs.results import KEPT, VICTIM, Key, Result, read, table
from benchmarks.peers import bugs as peers

UNMENDED = """\
## Without a release that has it mended

Each holds, under every single cancellation, once a minimal correction is patched into the library. That a library is
named says nothing against it: these are races of a few steps, and tornado's maintainers do not promise that its queues
bear cancellation."""
MENDED = "## Of past releases"
_SECTION = re.compile(r"^── \d+ of \d+ ─+$", re.MULTILINE)


def told(cases: list[Case], known: dict[Key, Result]) -> str:
    """All that was found: first what no release has mended, then the rest, each in the order of the cases."""
    parts: list[str] = []
    for head, are_mended in ((UNMENDED, False), (MENDED, True)):
        here = [case for case in cases if (case.fixed is not None) == are_mended]
        results = [(case, known.get((case.id, "broken", VICTIM))) for case in here]
        texts = [
            one(case, broken, known.get((case.id, "fixed", VICTIM)))
            for case, broken in results
            if broken is not None and broken.failures
        ]
        parts += [head, *texts] if texts else []
    return "\n\n".join(parts)


def one(case: Case, broken: Result, fixed: Result | None) -> str:
    """Five lines and the report."""
    first = broken.failures[0]  # the one that the report begins with
    return "\n".join(
        [
            f"### {case.id}",
            "",
            f"- {versions(case, broken, fixed)}",
            f"- What happens: {case.title}. Broken: «{case.invariant}»",
            f"- Trigger: {trigger(first.fault)}{f', order {first.order}' if first.order != 'fifo' else ''}; "
            f"found in run {first.first_run}",
            f"- Upstream: <{case.url}>, {case.status}",
            f"- Fair: {fairness(case, fixed)}",
            "",
            "```text",
            first_section(broken.report),
            "```",
        ]
    )


def versions(case: Case, broken: Result, fixed: Result | None) -> str:
    """The library, where it is broken and where it is not."""
    mended = f"mended in {fixed.release}" if fixed else "mended in no release"
    python = "" if broken.release.startswith("CPython") else f" on CPython {broken.python}"
    return f"{case.library}: broken in {broken.release}{python}; {mended}"


def trigger(fault: str) -> str:
    """The faults, as code; none where an order alone does it."""
    return (
        " and ".join(f"`{each}`" for each in fault.split("; ") if each) or "an order of tasks that were ready, no fault"
    )


def fairness(case: Case, fixed: Result | None) -> str:
    """How it is known that the scenario asks for nothing that the library does not owe."""
    scenario = f"[the scenario](../benchmarks/bugs/cases/{case.id}/scenario.py)"
    if fixed is None:
        return f"{scenario} holds once a minimal correction is patched in"
    if (alarm := fixed.first) is not None:
        return f"{scenario} holds on the mended release in {alarm.first_run - 1:,} runs, up to `{alarm.fault}`"
    return f"{scenario} holds on the mended release in {fixed.runs:,} runs with the same settings"


def first_section(report: str) -> str:
    """The head of a report and its first failure."""
    marks = list(_SECTION.finditer(report))
    return report[: marks[1].start() if len(marks) > 1 else len(report)].rstrip()


def texts() -> dict[Path, dict[str, str]]:
    """What belongs between which marks of which document."""
    cases, known, hunts = all_cases(), read(KEPT), peers.read(peers.KEPT)
    return {
        ROOT / "docs" / "found.md": {"bugs": told(cases, known)},
        ROOT / "docs" / "benchmarks.md": {
            "bugs": table(cases, known),
            "bugs-all": table_of_all(cases, known),
            "bugs-peers": peers.table(cases, hunts, list(peers.TOOLS)),
        },
    }


def filled(document: str, parts: dict[str, str]) -> str:
    """The document with other texts between its marks."""
    for name, text in parts.items():
        before, mark, rest = document.partition(f"<!-- {name} -->")
        _, end, after = rest.partition(f"<!-- /{name} -->")
        assert mark, f"the document has no <!-- {name} -->"
        assert end, f"the document has no <!-- /{name} -->"
        document = f"{before}{mark}\n\n{text}\n\n{end}{after}"
    return document


def main() -> int:
    """Write, or check."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true")
    is_check: bool = parser.parse_args().check
    differing: list[str] = []
    for path, parts in texts().items():
        has = path.read_text(encoding="utf-8")
        due = filled(has, parts)
        if has != due:
            differing.append(str(path.relative_to(ROOT)))
            if not is_check:
                path.write_text(due, encoding="utf-8")
    for name in differing if is_check else ():
        print(f"{name} is not what the results say: run benchmarks/bugs/tell.py")
    return int(is_check and bool(differing))


if __name__ == "__main__":
    sys.exit(main())
