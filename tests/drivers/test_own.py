"""Whose code it is that waits: what is installed is the user's own where the scenario is installed with it."""

import importlib
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import faultloop
from faultloop.drivers import own

FILES = {
    "suite/__init__.py": "",
    "suite/scenes.py": (
        "import stranger, suite_core.pool\n\n"
        "async def scenario():\n    await suite_core.pool.acquire()\n    await stranger.answer()\n\n"
        "class Scene:\n    async def __call__(self): await suite_core.pool.acquire()\n"
        "    async def play(self, times): await suite_core.pool.acquire()\n"
    ),
    "suite_core/__init__.py": "",
    "suite_core/pool.py": "import asyncio\n\nasync def acquire():\n    await asyncio.sleep(1)\n",
    "stranger.py": (
        "import asyncio, functools\n\nasync def answer():\n    await asyncio.sleep(1)\n\n"
        "def around(scenario):\n    @functools.wraps(scenario)\n"
        "    async def wrapper():\n        await scenario()\n        await answer()\n    return wrapper\n"
    ),
    "suite-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: suite\nVersion: 1\n",
    "suite-1.dist-info/RECORD": "suite/__init__.py,,\nsuite/scenes.py,,\nsuite_core/pool.py,,\n",
    "stranger-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: stranger\nVersion: 1\n",
    "stranger-1.dist-info/RECORD": "stranger.py,,\n",
}


@pytest.fixture
def scenes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    site = tmp_path / "site-packages"
    for name, text in FILES.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text)
    monkeypatch.syspath_prepend(str(site))
    yield importlib.import_module("suite.scenes")
    for name in [name for name in sys.modules if name.partition(".")[0] in ("suite", "suite_core", "stranger")]:
        del sys.modules[name]


def waits(scenario: Any) -> list[str]:
    return [f"{site.function}>{site.awaited}" for site in faultloop.run(scenario).trace.sites]


def test_what_was_installed_with_an_installed_scenario_is_its_own_and_nothing_else_is(scenes: Any):
    assert waits(scenes.scenario) == ["acquire>sleep", "scenario>answer"]


def test_a_scenario_of_the_users_uses_what_is_installed_and_does_not_own_it(scenes: Any):
    async def scenario() -> None:
        await scenes.scenario()

    assert waits(scenes.scenario)[0] == "acquire>sleep"
    assert waits(scenario) == ["scenario>scenario"]


@pytest.mark.parametrize("how", ["partial", "callable", "method"])
def test_an_installed_scenario_is_known_however_it_is_given(scenes: Any, how: str):
    scene = scenes.Scene()
    given = {"partial": partial(partial(scene.play), 1), "callable": scene, "method": partial(scene.play, times=1)}
    assert waits(given[how]) == ["acquire>sleep"]


def test_a_scenario_that_an_installed_library_wraps_is_not_the_librarys(scenes: Any):
    async def scenario() -> None:
        await scenes.scenario()

    wrapped = scenes.stranger.around(scenario)
    assert waits(wrapped) == ["scenario>scenario", "wrapper>wrapper"]
    assert waits(scenes.stranger.around(scenes.scenario))[0] == "acquire>sleep"


def test_what_no_distribution_knows_came_with_its_package(tmp_path: Path):
    for name in ("loose/here.py", "alone.py"):
        (tmp_path / "site-packages" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "site-packages" / name).write_text("async def scenario(): pass\n")
    for name in ("loose/here.py", "alone.py"):
        file = str(tmp_path / "site-packages" / name)
        scope: dict[str, Any] = {}
        exec(compile("async def scenario(): pass", file, "exec"), scope)
        faultloop.run(scope["scenario"])
        other = str(tmp_path / "site-packages" / "loose" / "there.py")
        assert (own.is_user_file(file), own.is_user_file(other)) == (True, name != "alone.py")
