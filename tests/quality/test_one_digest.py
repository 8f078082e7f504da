"""A recorded failure is the same run everywhere: hash seeds, working directories and processes make no difference."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from failure_modes.FM_001_retry_duplication import scenario

ROOT = Path(__file__).resolve().parents[2]
TRACE = Path(scenario.__file__).with_name("trace.json")
PROGRAM = """
import collections, sys, faultloop
seen = collections.Counter()
for _ in range(15):
    again = faultloop.replay(sys.argv[1], root=sys.argv[2])
    seen[again.run.trace.digest, again.same_digest, again.run.status.value] += 1
print(dict(seen))
"""


def replays(hash_seed: str, folder: Path) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "error", "-c", PROGRAM, str(TRACE), str(ROOT)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("hash_seed", ["0", "4242"])
def test_every_replay_is_the_recorded_run(hash_seed: str, tmp_path: Path):
    digest = scenario_digest()
    expected = f"{{('{digest}', True, 'violated'): 15}}\n"
    assert replays(hash_seed, ROOT) == expected
    assert replays(hash_seed, tmp_path) == expected


def scenario_digest() -> str:
    from faultloop import load_trace

    return load_trace(TRACE).digest
