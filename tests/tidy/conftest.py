"""A made-up project, for showing that each rule can fail."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tidy.rules import Module

Write = Callable[[str, str], Module]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write one module of a made-up project and read it as the rules do."""

    def write_module(path: str, source: str) -> Module:
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(source, encoding="utf-8")
        return Module.read(tmp_path, path)

    return write_module
