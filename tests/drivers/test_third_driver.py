"""The conformance suite is for whoever writes a driver: it takes up one that is made known, and sees what it breaks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOME = "third_driver and (await_n or waits_where or names_its_driver or hundreds_of_random_seeds)"


@pytest.mark.parametrize(("third", "failed"), [("sound", 0), ("broken", 8)])
def test_a_third_driver_is_held_to_the_same_promises(third: str, failed: int):
    """Broken, it fails at each await where a cancel or an error was to land, and nowhere else."""
    suite = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "tests.drivers.third_driver"]
    done = subprocess.run(
        [*suite, "tests/drivers/conformance", "-k", SOME],
        cwd=ROOT,
        env={**os.environ, "FAULTLOOP_THIRD": third, "FAULTLOOP_TEST_PART": "50"},
        capture_output=True,
        text=True,
        timeout=170,
    )
    verdicts = done.stdout.strip().splitlines()[-1]
    assert done.returncode == int(failed > 0), done.stdout
    assert (f"{failed} failed" in verdicts) is (failed > 0), done.stdout
    assert "passed" in verdicts
