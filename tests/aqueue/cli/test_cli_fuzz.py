"""Damaged files: whatever the disk did to them, a command answers with a sentence and leaves the file as it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.aqueue.cli.conftest import Ask

LOOKS = (
    "ps", "show 1", "show 3", "stats", "dead list", "cron list", "cron missed", "check", "repair --dry-run"
)  # fmt: skip
ROUNDS = 60


def damages(whole: bytes, seed: int) -> Iterator[bytes]:
    """Truncated, with random bytes flipped, with pages zeroed, swapped, or filled with noise."""
    random = Random(seed)
    page = 4096
    pages = len(whole) // page
    for _ in range(ROUNDS):
        damaged = bytearray(whole)
        match random.randrange(6):
            case 0:
                del damaged[random.randrange(len(damaged)) :]
            case 1:
                for _ in range(random.choice([1, 8, 64, 512])):
                    damaged[random.randrange(len(damaged))] = random.randrange(256)
            case 2:
                for _ in range(random.choice([1, 4])):
                    damaged[random.randrange(200)] = random.randrange(256)  # the header and the first page's own
            case 3:
                at = random.randrange(pages) * page
                damaged[at : at + page] = bytes(page)
            case 4:
                one, other = random.randrange(pages) * page, random.randrange(pages) * page
                damaged[one : one + page], damaged[other : other + page] = (
                    whole[other : other + page],
                    whole[one : one + page],
                )
            case _:
                text = [at for at, byte in enumerate(whole) if 97 <= byte <= 122]  # in names, states, JSON
                for at in random.sample(text, random.choice([1, 16, 128])):
                    damaged[at] = random.randrange(256)
        yield bytes(damaged)


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_file_gives_a_sentence_and_stays_as_it_is(ask: Ask, jobs: Path, tmp_path: Path, seed: int):
    path = tmp_path / "damaged.db"
    random = Random(seed)
    codes: dict[int, int] = {}
    for damaged in damages(jobs.read_bytes(), seed):
        path.write_bytes(damaged)
        command = random.choice(LOOKS)
        options = ["--json"] if random.random() < 0.3 else []
        answer = ask(*command.split(), *options, "--store", f"sqlite:///{path}")
        codes[answer.code] = codes.get(answer.code, 0) + 1
        assert answer.code in (0, 1, 2, 3), (command, answer)
        assert (answer.code in (0, 1)) == bool(answer.out), (command, answer)
        if answer.code in (2, 3):
            assert answer.err.startswith("aqueue: AQ"), (command, answer)
            assert answer.err.count("\n") == 1
        assert path.read_bytes() == damaged, command
        for leftover in path.parent.glob("damaged.db-*"):
            leftover.unlink()
    assert min(codes.get(3, 0), codes.get(0, 0)) > 5, "some are hopeless, some are not"


@pytest.mark.parametrize("seed", range(4))
def test_a_repair_of_a_damaged_file_gives_a_sentence_and_can_be_repeated(
    ask: Ask, jobs: Path, tmp_path: Path, seed: int
):
    path = tmp_path / "damaged.db"
    for damaged in list(damages(jobs.read_bytes(), seed))[:20]:
        path.write_bytes(damaged)
        first = ask("repair", "--store", f"sqlite:///{path}", "--json")
        again = ask("repair", "--store", f"sqlite:///{path}", "--json")
        assert {first.code, again.code} <= {0, 1, 2, 3}
        if first.code in (0, 1) and again.code in (0, 1):
            assert again.record["cures"] == []
        for leftover in path.parent.glob("damaged.db-*"):
            leftover.unlink()
