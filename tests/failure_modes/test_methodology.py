"""docs/03_failure_modes.md builds a bundle step by step: its code stands in the bundle, and its commands print that."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from failure_modes.catalogue import FOLDER, find

PROJECT = FOLDER.parent
TESTS = PROJECT / "tests" / "failure_modes"
DOCUMENT = (PROJECT / "docs" / "03_failure_modes.md").read_text(encoding="utf-8")
WALK = DOCUMENT.partition("## One from nothing")[2].partition("\n## ")[0]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", WALK, re.MULTILINE | re.DOTALL)


def test_its_code_is_the_bundles():
    scenario = find("FM_018").scenario.read_text(encoding="utf-8")
    assert [block for block in blocks("python") if block not in scenario] == []
    assert len(blocks("python")) > 3


def test_its_commands_print_what_it_says(tmp_path: Path):
    """In a copy without the bundle. It is filled in after the tests have failed, with the bundle of today."""
    bundle = find("FM_018").folder
    shutil.copytree(FOLDER, tmp_path / "failure_modes", ignore=shutil.ignore_patterns("FM_*", "__pycache__"))
    (tmp_path / "tests" / "failure_modes").mkdir(parents=True)
    for block in blocks("text"):
        for step in block.removeprefix("$ ").split("\n$ "):
            command, _, told = step.partition("\n")
            printed = output_of(command, tmp_path)
            missing = [line for line in without_seconds(told).splitlines() if line not in without_seconds(printed)]
            assert missing == [], f"«{command}» prints\n{printed}"
            if "pytest" in command:
                shutil.copytree(bundle, tmp_path / "failure_modes" / bundle.name, dirs_exist_ok=True)
                (tmp_path / "failure_modes" / bundle.name / "trace.json").unlink()


def output_of(command: str, folder: Path) -> str:
    words = [sys.executable if word == "python" else word for word in command.split()]
    environment = {"PYTHONPATH": f"{folder}:{PROJECT}", "PYTEST_ADDOPTS": "-p no:cacheprovider --import-mode=importlib"}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    return done.stdout + done.stderr


def without_seconds(text: str) -> str:
    return re.sub(r" +\d+\.\d+ ?s\b", " … s", text)
