"""How long a page of 50,000 events takes: to be made, and to be seen in Chromium.

    python benchmarks/page.py [--rounds 5]

Needs a Chromium (see CONTRIBUTING.md). Seen means: the document is parsed, the lanes and the table are drawn, and the
browser has painted them for the first time.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

if __name__ == "__main__":  # in place of this file's folder, where queue.py would hide the standard library's `queue`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from playwright.sync_api import Browser, sync_playwright

from faultloop import Limits, run
from faultloop.report.page.build import page
from tests.browser.conftest import chromium, flags
from tests.report.programs import many_events

GOAL_SECONDS = 2.0
PAINTED = (
    """() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now()))))"""
)


def main() -> None:
    """Print a line each."""
    parser = argparse.ArgumentParser(description="The cost of a large page.")
    parser.add_argument("--rounds", type=int, default=5)
    rounds: int = parser.parse_args().rounds
    trace = run(many_events, limits=Limits(events=120_000)).trace
    began = time.process_time()
    document = page(trace)
    made = time.process_time() - began
    print(f"{len(trace.events):,} events, {len(document) / 1e6:.1f} MB, made in {made:.2f} s of CPU time")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        place = Path(folder) / "page.html"
        place.write_text(document, encoding="utf-8")
        started = driver.chromium.launch(executable_path=chromium(), args=flags())
        seen = [first_paint(started, place) for _ in range(rounds)]
        started.close()
    median = statistics.median(seen)
    verdict = "reached" if median < GOAL_SECONDS else "MISSED"
    print(f"seen after {median:.2f} s (median of {rounds}, at most {max(seen):.2f}); goal {GOAL_SECONDS}: {verdict}")


def first_paint(browser: Browser, place: Path) -> float:
    """Seconds from the navigation until the page has been painted."""
    opened = browser.new_page(viewport={"width": 1400, "height": 900})
    opened.goto(place.as_uri())
    opened.wait_for_selector(".lanes-body .lane-line", state="attached")
    milliseconds = opened.evaluate(PAINTED)
    opened.close()
    return float(milliseconds) / 1000


if __name__ == "__main__":
    main()
