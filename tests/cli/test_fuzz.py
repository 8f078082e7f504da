"""Ten thousand damaged traces: a sentence for each, and nothing executed from outside the root.

Method: traces of real runs are damaged as bytes and as JSON, with a fixed seed, and given to the real commands in
this process: `replay` on the real runner, every eighth time `show`. An audit hook sees every file that is opened,
every code object that is executed and every process that is started, whoever does it.
"""

import io
import json
import os
import random
import re
import sys
import sysconfig
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

import faultloop
from faultloop.cli import main
from tests.cli.conftest import LOST, Shell
from tests.support.length import times

FILES = times(10_000)
SEED = 20_240_229
SENTENCE = re.compile(r"^faultloop: .+ \[FL\d{3}\]$", re.MULTILINE)
STARTS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "socket.connect", "ctypes.dlopen")

Json = Any  # whatever json.loads returns
Damage = Callable[[random.Random, list[bytes]], bytes]

TARGETS = (
    "../outside/evil.py:main",
    "{outside}/evil.py:main",
    "link/evil.py:main",
    "evil_link.py:main",
    "evil_link:main",
    "link.evil:main",
    "..\\outside\\evil.py:main",
    "C:\\evil.py:main",
    "./../project/../outside/evil.py:main",
    "scenes.py/../../outside/evil.py:main",
    "evil:main",
    "outside.evil:main",
    "os:system",
    "builtins:eval",
    "antigravity:fly",
    "this:main",
    "asyncio.events:main",
    "scenes.py:Pool",
    "scenes.py:worker",
    "scenes.py:__import__",
    "scenes.py:fine()",
    "scenes:broken",
    "scenes.py:stuck",
    "\0.py:main",
    ".:main",
    "/:main",
    ":",
    "",
    "a" * 5_000 + ".py:main",
    "__import__('os').system('false'):main",
)
VALUES: tuple[Json, ...] = (
    *(None, True, False, 0, 1, -1, 2, 7, 2**31, 2**63 - 1, 2**63, -(2**63), 10**30, 0.5, -0.0, 1e308, 1e-308),
    *("", "x", "\0", "\x1b[2J", "é", "random", "woken", "racing", "cancel", "asyncio", "trio", "0", "-1", "9" * 30),
    *([], {}, [[]], [0, 1, 2], [[0, 1, 2]], {"kind": "cancel"}, {"kind": "fail", "error": "OSError"}, "a" * 2_000),
    *({"kind": "fail", "error": "os.system"}, {"kind": "fail", "error": "../x"}, {"kind": "delay", "nanoseconds": 1}),
    *({"kind": "delay", "nanoseconds": 2**62}, {"kind": "expire"}, {"kind": "cancel", "via": "scope"}),
)


# Damage


def flip_bytes(rng: random.Random, seeds: list[bytes]) -> bytes:
    """Some bytes are others."""
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 2, 8))):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


def cut(rng: random.Random, seeds: list[bytes]) -> bytes:
    """The end, the beginning or a piece is missing."""
    data = rng.choice(seeds)
    start, end = sorted((rng.randrange(len(data)), rng.randrange(len(data))))
    return rng.choice((data[:end], data[start:], data[:start] + data[end:]))


def splice(rng: random.Random, seeds: list[bytes]) -> bytes:
    """Lines of one trace stand in another."""
    first, second = rng.choice(seeds).splitlines(keepends=True), rng.choice(seeds).splitlines(keepends=True)
    at, start = rng.randrange(len(first)), rng.randrange(len(second))
    return b"".join(first[:at] + second[start : start + rng.randrange(1, 6)] + first[at + rng.randrange(2) :])


def insert_text(rng: random.Random, seeds: list[bytes]) -> bytes:
    """Something was typed into it."""
    data = rng.choice(seeds)
    at = rng.randrange(len(data))
    typed = rng.choice((b"\x00", b'"', b"[" * 3_000, b"9" * 50, b"\xff\xfe", b"NaN", b"{}", b",", b"-"))
    return data[:at] + typed + data[at:]


def change_json(rng: random.Random, seeds: list[bytes]) -> bytes:
    """Values, keys and lengths are others; it is still JSON."""
    tree = json.loads(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        holder, key = rng.choice(list(_slots(tree)))
        match rng.randrange(5), holder:
            case 0, _:
                del holder[key]
            case 1, list():
                holder.insert(key, holder[key])
            case 2, dict():
                holder[rng.choice(("format", "version", "x", "task", "step"))] = rng.choice(VALUES)
            case _:
                holder[key] = rng.choice(VALUES)
    return json.dumps(tree).encode()


def change_target(rng: random.Random, seeds: list[bytes]) -> bytes:
    """It names another scenario."""
    tree = json.loads(rng.choice(seeds))
    tree["target"] = {"ref": rng.choice(TARGETS)}
    return json.dumps(tree).encode()


def _slots(tree: Json) -> Iterator[tuple[Json, Any]]:
    """Every place in a tree that holds a value."""
    if isinstance(tree, dict | list):
        for key in list(tree) if isinstance(tree, dict) else range(len(tree)):
            yield tree, key
            yield from _slots(tree[key])


DAMAGES: tuple[Damage, ...] = (
    flip_bytes,
    cut,
    splice,
    insert_text,
    change_json,
    change_json,
    change_json,
    change_target,
)


# What is seen


class Watch:
    """Sees what this process opens, executes and starts while it is on. An audit hook stays for ever: one is enough."""

    def __init__(self) -> None:
        self.is_on = False
        self.allowed: tuple[str, ...] = ()
        self.seen: list[str] = []
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self.is_on:
            return
        subject = arguments[0] if arguments else None
        if event == "exec" and isinstance(subject, CodeType):
            self._require(event, subject.co_filename)
        elif event == "open" and isinstance(subject, str | bytes | os.PathLike):
            self._require(event, os.fsdecode(subject))
        elif event in STARTS:
            self.seen.append(f"{event} {arguments!r}"[:300])

    def _require(self, event: str, name: str) -> None:
        if not (name.startswith("<") or os.path.realpath(name).startswith(self.allowed)):
            self.seen.append(f"{event} {name}"[:300])

    @contextmanager
    def on(self, *allowed: Path) -> Iterator[None]:
        """Take note of everything that is not under one of these folders."""
        self.allowed = tuple(os.path.realpath(folder) + os.sep for folder in allowed)
        self.seen.clear()
        self.is_on = True
        try:
            yield
        finally:
            self.is_on = False


@pytest.fixture(scope="module")
def watch() -> Watch:
    """The one watch of this process."""
    return Watch()


@pytest.fixture
def traced_runs(shell: Shell) -> list[bytes]:
    """Traces of runs of different kinds."""
    asked = (
        ["scenes.py:fine"],
        ["scenes.py:broken"],
        ["scenes.py:stuck"],
        ["scenes.py:pool_is_whole", "--fault", LOST],
        ["scenes.py:pool_is_whole", "--fault", "delay:2s worker-1 @ sleep #1 woken"],
        ["scenes.py:pool_is_whole", "--fault", "cancel worker-2 @ Pool.acquire #1 racing worker-1 @ sleep"],
        ["scenes.py:pool_is_whole", "--order", "any", "--seed", "3"],
    )
    for number, arguments in enumerate(asked):
        assert shell("run", *arguments, "--out", f"seed-{number}.json").code in (0, 1)
    return [(shell.root / f"seed-{number}.json").read_bytes() for number in range(len(asked))]


def libraries() -> list[Path]:
    """Where code may come from beside the project: Python's own, what is installed, and faultloop."""
    paths = sysconfig.get_paths()
    return [Path(paths[name]) for name in ("stdlib", "platstdlib", "purelib", "platlib")] + [
        Path(faultloop.__file__).parent
    ]


def lay_traps(root: Path) -> Path:
    """Files beside the project that must never be opened, and links to them from inside."""
    outside = root.parent / "outside"
    outside.mkdir()
    (outside / "evil.py").write_text("raise SystemError('executed')\n", encoding="utf-8")
    (root / "link").symlink_to(outside)
    (root / "evil_link.py").symlink_to(outside / "evil.py")
    return outside


def test_thousands_of_damaged_traces_get_a_sentence_and_run_nothing_foreign(
    root: Path, traced_runs: list[bytes], watch: Watch
):
    outside = lay_traps(root)
    rng = random.Random(SEED)
    path = root / "damaged.json"
    codes: Counter[int] = Counter()
    modules = set(sys.modules)
    for number in range(FILES):
        damage = rng.choice(DAMAGES)
        data = damage(rng, traced_runs).replace(b"{outside}", str(outside).encode())
        path.unlink(missing_ok=True)  # some file systems wait for the disk when a file is written over
        path.write_bytes(data)
        follow = "faults" if number % 4 == 3 else "choices"
        with watch.on(root, *libraries()), redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
            code = main(["replay", str(path), "--follow", follow] if number % 8 else ["show", str(path)])
        codes[code] += 1
        told = f"file {number}, {damage.__name__}, exit {code}\n{err.getvalue()}\n{data[:3_000]!r}"
        assert code in (0, 1, 2, 3), told
        assert watch.seen == [], f"{watch.seen}\n{told}"
        assert "Traceback" not in err.getvalue() + out.getvalue(), told
        assert code != 2 or SENTENCE.search(err.getvalue()), told
        assert code == 2 or out.getvalue(), told
    foreign = {name for name in set(sys.modules) - modules if _is_foreign(name, [root, *libraries()])}
    assert foreign == set()
    assert min(codes[code] for code in (0, 1, 2, 3)) > FILES / 100, (
        codes
    )  # each way out was taken: the damage is varied


def _is_foreign(name: str, folders: list[Path]) -> bool:
    file = getattr(sys.modules[name], "__file__", None)
    return file is not None and not any(
        Path(os.path.realpath(file)).is_relative_to(os.path.realpath(f)) for f in folders
    )


def test_the_watch_sees_what_it_should(root: Path, watch: Watch):
    outside = lay_traps(root)
    with watch.on(root, *libraries()), pytest.raises(SystemError, match="executed"):
        exec(compile((outside / "evil.py").read_bytes(), str(outside / "evil.py"), "exec"), {})
    assert [line.split()[0] for line in watch.seen] == ["open", "exec"]


def test_allowed_imports_do_run_what_is_outside(shell: Shell, traced_runs: list[bytes]):
    # The counterpart of the traps: with --allow-import the very same file is executed, so they would have gone off.
    lay_traps(shell.root)
    trace = json.loads(traced_runs[0])
    trace["target"] = {"ref": "../outside/evil.py:main"}
    (shell.root / "evil.json").write_text(json.dumps(trace), encoding="utf-8")
    said = shell("replay", "--allow-import", "evil.json")
    assert (said.code, "SystemError: executed" in said.err) == (2, True)
