"""Take the pictures of the documentation anew: pages of three runs, and what a storm of retries plots.

    python docs/pictures.py

Needs a Chromium (see CONTRIBUTING.md). They are not compared byte by byte: fonts differ from machine to machine.
"""

import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from playwright.sync_api import Page, sync_playwright  # noqa: E402

from failure_modes.FM_022_metastable_overload.scenario import broken, guarded  # noqa: E402
from faultloop import Limits, Trace, load_trace, run  # noqa: E402
from faultloop.cli.picturing import lines_below  # noqa: E402
from faultloop.report.page.build import Extras, page  # noqa: E402
from tests.browser.conftest import chromium, flags  # noqa: E402
from tests.report.programs import many_events  # noqa: E402

FOLDER = ROOT / "docs" / "pictures"
FM_001 = ROOT / "failure_modes" / "FM_001_retry_duplication" / "trace.json"
COMMANDS = [("run it again, step by step", "python -m faultloop replay trace.json")]


def long_run(turns: int) -> Trace:
    """A run of fifty stages that hand numbers on, until one of them is cancelled with a number in its hand."""
    return run(
        partial(many_events, turns=turns),
        faults=[f"cancel stage-4 @ Queue.get #{turns - 3} woken"],
        target="tests/report/programs.py:many_events",
        limits=LIMITS,
    ).trace


LIMITS = Limits(events=120_000)
STORM = "failure_modes/FM_022_metastable_overload/scenario.py"
TRIGGER = "expire watcher @ watch>sleep #1 woken"
PICTURES: dict[str, tuple[Callable[[], Trace], str]] = {
    "small": (lambda: load_trace(FM_001), "light"),
    "5000-events": (lambda: long_run(45), "dark"),
    "50000-events": (lambda: long_run(460), "light"),
}


def main() -> None:
    """Write each picture."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium(), args=flags())
        for name, (make, scheme) in PICTURES.items():
            opened = browser.new_page(
                viewport={"width": 1280, "height": 820}, color_scheme="dark" if scheme == "dark" else "light"
            )
            take(opened, make(), Path(folder), FOLDER / f"page-{name}.png")
            opened.close()
        for name, scenario in (("broken", broken), ("guarded", guarded)):
            opened = browser.new_page(viewport={"width": 1280, "height": 820}, color_scheme="light")
            trace = run(scenario, faults=[TRIGGER], target=f"{STORM}:{name}").trace
            plots(opened, trace, Path(folder), FOLDER / f"retries-{name}.png")
            opened.close()
        browser.close()


def plots(opened: Page, trace: Trace, folder: Path, place: Path) -> None:
    """Open the page of a trace and keep what it plots."""
    document = folder / "plots.html"
    document.write_text(page(trace), encoding="utf-8")
    opened.goto(document.as_uri())
    opened.locator(".measures").screenshot(path=place)
    print(f"{place.relative_to(ROOT)}: {len(trace.events):,} events")


def take(opened: Page, trace: Trace, folder: Path, place: Path) -> None:
    """Open the page of a trace and keep what is seen."""
    document = folder / "page.html"
    document.write_text(page(trace, Extras(commands=COMMANDS, lines_of=lines_below(ROOT))), encoding="utf-8")
    opened.goto(document.as_uri())
    opened.wait_for_selector(".lanes-body .lane-line", state="attached")
    if len(trace.events) > 10_000:  # as it looks once somebody has looked closer
        for _ in range(12):
            opened.get_by_role("button", name="zoom in").click()
    opened.wait_for_timeout(300)
    opened.screenshot(path=place)
    print(f"{place.relative_to(ROOT)}: {len(trace.events):,} events")


if __name__ == "__main__":
    main()
