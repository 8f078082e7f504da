"""A browser for all tests of the folder, and pages whose every complaint and request is kept."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from faultloop import Trace
from faultloop.report.page.build import Extras, page

NAMES = ("chromium", "chromium-browser", "google-chrome")


@dataclass
class Shown:
    """A page that was opened from disk. complaints: what its console and its errors said.   requests: what it asked."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


def chromium() -> str:
    """Where the browser is."""
    place = os.environ.get("FAULTLOOP_BROWSER") or next(filter(None, map(shutil.which, NAMES)), None)
    if place is None:
        raise FileNotFoundError(
            "no Chromium answers here: install Debian's package chromium, or name one in FAULTLOOP_BROWSER"
        )
    return place


def flags() -> list[str]:
    """What it has to be told: its sandbox does not work for root."""
    return ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=chromium(), args=flags())
        yield started
        started.close()


class Opener:
    """Opens pages of traces."""

    def __init__(self, browser: Browser, folder: Path) -> None:
        self._browser = browser
        self._folder = folder
        self._opened: list[Page] = []

    def __call__(self, trace: Trace, extras: Extras | None = None, *, scheme: str = "light") -> Shown:
        """Write a trace's page and open it."""
        place = self._folder / f"page-{len(self._opened)}.html"
        place.write_text(page(trace, extras), encoding="utf-8")
        opened = self._browser.new_page(
            viewport={"width": 1400, "height": 900},
            color_scheme="dark" if scheme == "dark" else "light",
        )
        self._opened.append(opened)
        shown = Shown(opened)
        opened.on("console", lambda message: shown.complaints.append(message.text))
        opened.on("pageerror", lambda error: shown.complaints.append(str(error)))
        opened.on("request", lambda request: shown.requests.append(request.url))
        opened.goto(place.as_uri())
        opened.wait_for_selector("html[data-ready=true]", timeout=30_000)
        opened.wait_for_selector(".lanes-body .lane-line", state="attached")
        return shown

    def close(self) -> None:
        """Close what was opened."""
        for opened in self._opened:
            opened.close()


@pytest.fixture
def open_page(browser: Browser, tmp_path: Path) -> Iterator[Opener]:
    opener = Opener(browser, tmp_path)
    yield opener
    opener.close()
