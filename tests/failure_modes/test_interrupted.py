"""Ctrl-C during a proof is no result of it."""

import asyncio
import multiprocessing
import signal
from contextlib import suppress

import anyio
import pytest

from failure_modes import __main__ as command
from failure_modes import proof
from failure_modes.catalogue import bundles


async def is_interrupted() -> None:
    with suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    await anyio.sleep(1)


async def passes_at_first() -> None:
    global made
    made += 1
    if made > 10:
        await is_interrupted()
    await asyncio.gather(*(asyncio.sleep(1) for _ in range(5)))


made = 0


def test_a_proof_that_is_interrupted_has_neither_held_nor_failed():
    global made
    made = 0
    with pytest.raises(KeyboardInterrupt):
        proof.explored(passes_at_first)
    assert made == 11


@pytest.mark.parametrize("names", [["FM_018"], ["--all"]], ids=["one", "all"])
def test_an_interruption_is_told_in_one_sentence_and_no_process_is_left(names, monkeypatch, capsys):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(proof, "prevent", interrupt)
    assert len(bundles()) > 1
    assert command.main(["prevent", *names, "--jobs", "2"]) == 130
    out, err = capsys.readouterr()
    assert (out, err) == ("", "failure_modes: interrupted.\n")
    assert multiprocessing.active_children() == []
