"""The generated documents agree with what they are derived from; links lead somewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from faultloop.model.address import parse_fault
from tests.tidy.project import ROOT, files, text

GENERATE = ROOT / "docs" / "generate.py"
SPEC = (
    "# FM_001 lost | found\n\n## Violated invariant\n\nOne effect\nper key. More.\n\n## Guardrail\n\nA ledger.\n"
    "\n## Trigger\n\nIt\nfinds it within 20 runs.\n"
    "\n## Detection\n\nSaid.\n\n## Recovery\n\nSaid.\n\n## Where it happened\n\nSaid.\n"
)
STORY = "2 failures in 0.2 s\n\n── 1 of 2 ───\nit broke\n\n  at 3\n\n  replay     it\n── 2 of 2 ───\nmore"
FAULTLOOP = f"import sys\nprint({STORY!r} if sys.argv[1] == 'explore' else '{{}}')\n"
LIFECYCLE = """
class GoOn:
    'T1: it goes on.'
TABLE = {('here', GoOn): {'there': 'gone'}}
"""
FINDINGS = """
class Finding:
    name, path, library, version, mode = 'lost', 'failure_modes/released/lost.py', 'q', '1.0', 'FM_001'
    violated, control, documented, fault = 'It is lost.', 'It is kept.', 'Nothing.', 'cancel a @ b #1 parked'
    class found:
        kinds, tasks, runs = ('cancel',), 'a|b', 5
FINDINGS = (Finding(),)
"""
FINDING_ROW = (
    "| [q 1.0](../failure_modes/released/lost.py) | [FM_001](../failure_modes/FM_001_lost/spec.md) | It is lost. "
    r"| `--faults cancel --tasks 'a\|b'`, 5 runs | `cancel a @ b #1 parked` | It is kept. | Nothing. |"
)
MARKED = "\n".join(f"<!-- {name} -->\nold\n<!-- /{name} -->\n" for name in ("transitions", "points", "errors"))
ROW = (
    r"| [FM_001 lost \| found](../failure_modes/FM_001_lost/spec.md) | One effect per key. | A ledger. | 20 "
    "| [repro](../tests/failure_modes/test_repro_fm001.py) · [prevent](../tests/failure_modes/test_prevent_fm001.py)"
    " · [recover](../tests/failure_modes/test_recover_fm001.py) |\n"
)


def broken_links(root: Path, path: str, markdown: str) -> list[str]:
    """Relative links of a document that lead to no file."""
    targets = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", markdown)
    return [
        f"{path}: {target} leads nowhere" for target in targets if not (root / path).parent.joinpath(target).exists()
    ]


def generate(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the generator over a project."""
    script = root / "docs" / "generate.py"
    return subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_links_lead_somewhere():
    documents = [path for path in files() if path.endswith(".md")]
    assert [found for path in documents for found in broken_links(ROOT, path, text(path))] == []


def test_the_generated_documents_are_up_to_date():
    done = generate(ROOT, "--check")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_faults_in_the_documents_can_be_read():
    documents = [text(path) for path in files() if path.endswith(".md")]
    blocks = [block for document in documents for block in re.findall(r"^```faults\n(.+?)^```$", document, re.M | re.S)]
    lines = [line for block in blocks for line in block.splitlines()]
    assert len(lines) >= 4
    assert [str(parse_fault(line)) for line in lines] == lines


# The rules can fail


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one bundle, and a faultloop that has only the verbs schema and explore."""
    contents = {
        "docs/generate.py": GENERATE.read_text(encoding="utf-8"),
        "failure_modes/__init__.py": "",
        "failure_modes/catalogue.py": (ROOT / "failure_modes" / "catalogue.py").read_text(encoding="utf-8"),
        "failure_modes/FM_001_lost/spec.md": SPEC,
        "failure_modes/released/__init__.py": "",
        "failure_modes/released/findings.py": FINDINGS,
        "failure_modes/released/lost.py": "",
        "faultloop/__init__.py": "",
        "faultloop/__main__.py": FAULTLOOP,
        "README.md": "# Project\n\n<!-- story -->\n<!-- /story -->\n",
        "faultloop/model/__init__.py": "",
        "aqueue/__init__.py": "",
        "aqueue/lifecycle.py": LIFECYCLE,
        "aqueue/points.py": "class Point:\n    what = 'before it'\nPOINTS = {'a.txn': Point()}\n",
        "aqueue/errors.py": "class Lost:\n    'It is lost.'\n    code = 'AQ1'\n__all__ = ['Lost']\n",
        "docs/04_happy_path.md": "# Path\n\n<!-- states -->\n<!-- /states -->\n",
        "docs/05_aqueue.md": MARKED,
        "docs/released_queues.md": "<!-- findings -->\n<!-- /findings -->\n",
        **{f"tests/failure_modes/test_{proof}_fm001.py": "" for proof in ("repro", "prevent", "recover")},
    }
    for path, content in contents.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content, encoding="utf-8")
    return tmp_path


def test_what_was_written_is_up_to_date_and_what_was_edited_is_not(project: Path):
    assert generate(project, "--check").returncode == 1
    assert generate(project).returncode == 0
    assert generate(project, "--check").returncode == 0
    index = project / "docs" / "failure_mode_index.md"
    assert index.read_text(encoding="utf-8").endswith(ROW)
    index.write_text("edited by hand")
    done = generate(project, "--check")
    assert (done.returncode, "failure_mode_index.md is out of date" in done.stderr) == (1, True)


def test_the_diagram_and_the_tables_of_the_queue_are_what_its_code_says(project: Path):
    assert generate(project).returncode == 0
    path = (project / "docs" / "04_happy_path.md").read_text(encoding="utf-8")
    assert "  here --> there: go on\n  there --> [*]\n```" in path
    reference = (project / "docs" / "05_aqueue.md").read_text(encoding="utf-8")
    assert "old" not in reference
    for line in (
        "| here | `GoOn` | there | gone | T1: it goes on. |",
        "| `a.txn` | before it |",
        "| AQ1 | `Lost` | It is lost. |",
    ):
        assert line in reference
    (project / "aqueue" / "lifecycle.py").write_text(LIFECYCLE.replace("there", "elsewhere"), encoding="utf-8")
    done = generate(project, "--check")
    assert (done.returncode, "04_happy_path.md is out of date" in done.stderr) == (1, True)


def test_the_story_in_the_readme_is_what_explore_prints_of_the_first_failure(project: Path):
    assert generate(project).returncode == 0
    readme = project / "README.md"
    assert readme.read_text(encoding="utf-8") == (
        "# Project\n\n<!-- story -->\n\n```\nit broke\n\n  at 3\n```\n\n<!-- /story -->\n"
    )
    (project / "faultloop" / "__main__.py").write_text("print('{}')", encoding="utf-8")
    done = generate(project, "--check")
    assert (done.returncode, "no failure was told" in done.stderr) == (1, True)


def test_the_findings_in_released_queues_are_a_table(project: Path):
    assert generate(project).returncode == 0
    assert FINDING_ROW in (project / "docs" / "released_queues.md").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(
    ("path", "content", "complaint"),
    [
        ("failure_modes/released/lost.py", None, "lost has no such module"),
        ("failure_modes/released/findings.py", FINDINGS.replace("FM_001", "FM_002"), "lost: there is no failure mode"),
        ("failure_modes/FM_001_lost/spec.md", None, "No such file"),
        ("failure_modes/FM_001_lost/spec.md", SPEC.replace("# FM", "FM"), "has no title"),
        ("failure_modes/FM_001_lost/spec.md", SPEC.replace("A ledger.", ""), "no section «guardrail», or an empty one"),
        ("tests/failure_modes/test_recover_fm001.py", None, "has no such proof"),
        ("faultloop/__main__.py", None, "python -m faultloop schema: exit 1"),
        ("faultloop/__main__.py", "", "python -m faultloop schema: exit 0"),
        ("aqueue/points.py", "", "the tables of aqueue: exit 1"),
        ("docs/04_happy_path.md", None, "04_happy_path.md: it is not there"),
        ("docs/05_aqueue.md", MARKED.replace("<!-- points -->", ""), "has no marks <!-- points -->"),
    ],
)
def test_what_is_missing_is_an_error(project: Path, path: str, content: str | None, complaint: str):
    if content is None:
        (project / path).unlink()
    else:
        (project / path).write_text(content, encoding="utf-8")
    done = generate(project)
    assert (done.returncode, complaint in done.stderr) == (1, True), done.stderr


def test_a_broken_link_is_named(tmp_path: Path):
    (tmp_path / "there.md").touch()
    markdown = "[a](there.md) [b](there.md#part) [c](#part) [d](https://example.org) [e](gone.md)"
    assert broken_links(tmp_path, "a.md", markdown) == ["a.md: gone.md leads nowhere"]
