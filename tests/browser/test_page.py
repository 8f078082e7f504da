"""The page of a trace, used as a person uses it."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Literal

import msgspec
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from faultloop import Limits, run
from faultloop.model.coverage import Covered, Point
from faultloop.model.trace import Event
from faultloop.report.coverage import FileCoverage, coverage_page
from faultloop.report.page.build import Extras
from tests.browser.conftest import Opener, Shown
from tests.report.programs import busy, hand_over, many_events, stuck
from tests.report.support import TRACE

pytestmark = pytest.mark.browser

LOST = "cancel taker @ Queue.get #1 woken"
Scheme = Literal["light", "dark"]
COMMAND = "python -m faultloop replay a.trace.json"


@pytest.fixture
def shown(open_page: Opener) -> Shown:
    """A failing run beside the passing one."""
    failing = run(hand_over, faults=[LOST]).trace
    return open_page(failing, Extras(passing=run(hand_over).trace, commands=[("run it again", COMMAND)]))


def rows(page: Page) -> list[str]:
    """The rows of the table in view, as text."""
    return page.locator(".rows .row").all_inner_texts()


def test_the_page_asks_nobody_and_complains_of_nothing(shown: Shown):
    assert shown.complaints == []
    assert [url for url in shown.requests if not url.startswith("file:///")] == []
    assert len(shown.requests) == 1


def test_the_fault_is_seen_and_labelled(shown: Shown):
    expect(shown.page.locator(".lanes-body circle.fault")).to_be_visible()
    expect(shown.page.locator(".fault-label")).to_have_text("cancel")
    expect(shown.page.locator("aside")).to_contain_text("cancel taker")


def test_the_label_of_a_fault_near_the_end_is_not_cut_off(open_page: Opener):
    late = run(partial(many_events, turns=45), faults=["cancel stage-4 @ Queue.get #42 woken"]).trace
    page = open_page(late).page
    label = page.locator(".fault-label").bounding_box()
    lanes = page.locator(".lanes-body").bounding_box()
    assert label is not None
    assert lanes is not None
    assert lanes["x"] <= label["x"]
    assert label["x"] + label["width"] <= lanes["x"] + lanes["width"]


def test_a_violation_is_seen_and_labelled(open_page: Opener):
    shown = open_page(TRACE)
    expect(shown.page.locator(".violation-label")).to_contain_text("violated")
    expect(shown.page.locator("h1")).to_have_text("Cancelling worker-2 at one await breaks all_jobs_done.")
    expect(shown.page.locator(".status")).to_have_text("violated")
    assert shown.complaints == []


def test_every_task_has_a_lane_by_its_name(shown: Shown):
    expect(shown.page.locator(".lanes-body text", has_text="taker").first).to_be_visible()
    expect(shown.page.locator(".lanes-body text", has_text="hand_over").first).to_be_visible()


def test_a_wake_up_that_was_lost_is_drawn_as_such(shown: Shown):
    expect(shown.page.locator(".lanes-body rect.wait.lost")).to_have_count(1)
    expect(shown.page.locator(".lanes-body path.wake.lost")).to_have_count(1)


def test_a_task_that_never_goes_on_is_hatched_and_who_waits_for_whom_is_told(open_page: Opener):
    shown = open_page(run(stuck).trace)
    expect(shown.page.locator(".lanes-body rect.wait.open")).to_have_count(2)
    expect(shown.page.locator("aside")).to_contain_text("Who waits for whom at the end")
    expect(shown.page.locator("aside svg[role=img]")).to_be_visible()


def test_the_filter_leaves_the_rows_that_say_it(shown: Shown):
    shown.page.get_by_label("filter events").fill("taker")
    expect(shown.page.locator("[role=status]")).not_to_contain_text(f"{len(rows(shown.page))} of 0")
    left = rows(shown.page)
    assert left
    assert all("taker" in row for row in left)
    shown.page.get_by_label("filter events").fill("nothing says this")
    expect(shown.page.locator("[role=status]")).to_contain_text("0 of")
    assert rows(shown.page) == []


def test_a_kind_of_events_can_be_switched_off(shown: Shown):
    expect(shown.page.locator(".row.wake").first).to_be_attached()
    shown.page.get_by_role("button", name="wakes").click()
    expect(shown.page.locator(".row.wake")).to_have_count(0)
    expect(shown.page.get_by_role("button", name="wakes")).to_have_attribute("aria-pressed", "false")


def test_the_last_passing_run_and_the_first_difference_are_a_click_away(shown: Shown):
    page = shown.page
    expect(page.locator("aside")).to_contain_text("Where it leaves the passing run")
    page.get_by_role("button", name="to the first difference").click()
    expect(page.locator(".row.chosen")).to_contain_text("cancel")
    page.get_by_role("button", name="last passing run").click()
    expect(page.locator(".lanes-body circle.fault")).to_have_count(0)
    expect(page.locator(".row.fault")).to_have_count(0)
    page.get_by_role("button", name="last passing run").click()
    expect(page.locator(".lanes-body circle.fault")).to_have_count(1)


def test_time_can_be_linear(shown: Shown):
    page = shown.page
    before = page.locator(".lanes-body rect.wait").first.get_attribute("width")
    page.get_by_role("button", name="linear time").click()
    expect(page.locator(".lanes > svg").first).to_contain_text("1.0")
    assert before is not None
    expect(page.locator(".lanes-body rect.wait").first).not_to_have_attribute("width", before)
    assert shown.complaints == []


def test_a_chosen_event_is_told_with_its_source(open_page: Opener):
    trace = run(hand_over, faults=[LOST]).trace
    source = Path(hand_over.__code__.co_filename).read_text(encoding="utf-8").splitlines()
    shown = open_page(trace, Extras(lines_of=lambda file: source if file.endswith("programs.py") else ()))
    shown.page.locator(".row.await", has_text="sleep").first.click()
    expect(shown.page.locator("aside .source .here").first).to_contain_text("await asyncio.sleep(1)")


def test_everything_can_be_done_from_the_keyboard(shown: Shown):
    page = shown.page
    page.locator(".lanes-body").focus()
    page.keyboard.press("Home")
    expect(page.locator(".row.chosen")).to_contain_text("begins")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".row.chosen")).to_contain_text("made by hand_over")
    page.keyboard.press("+")
    page.locator(".rows").focus()
    page.keyboard.press("End")
    expect(page.locator(".row.chosen")).to_contain_text("ended")
    page.keyboard.press("Shift+Tab")
    expect(page.get_by_role("button", name="time", exact=True)).to_be_focused()


def test_buttons_and_pictures_have_names(shown: Shown):
    unnamed = shown.page.evaluate(
        """() => [...document.querySelectorAll('button, input, [role=img], [role=table]')]
            .filter(e => !(e.textContent.trim() || e.getAttribute('aria-label'))).length"""
    )
    assert unnamed == 0


def objections(page: Page) -> list[str]:
    """What axe-core has against a page, by rule, each with the first element that it is about."""
    found = Axe().run(page).response["violations"]
    return [f"{each['id']}: {each['help']}: {each['nodes'][0]['html'][:200]}" for each in found]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("program", [hand_over, stuck], ids=["handed over", "stuck"])
def test_nobody_is_kept_from_using_the_page(open_page: Opener, program: Callable[[], Any], scheme: str):
    """Contrast, names, roles, the keyboard: the rules of axe-core, over all that the page can show of a failure."""
    source = Path(program.__code__.co_filename).read_text(encoding="utf-8").splitlines()
    failing = run(program, faults=[LOST] if program is hand_over else []).trace
    noted = (Event(at, at * 10**9, "note", 0, text=f"backlog = {at % 4}") for at in range(900, 920))
    trace = msgspec.structs.replace(failing, events=(*failing.events, *noted))
    passing = run(hand_over).trace
    extras = Extras(passing=passing, commands=[("run it again", COMMAND)], lines_of=lambda _: source)
    page = open_page(trace, extras, scheme=scheme).page
    assert objections(page) == []
    page.get_by_role("button", name="linear time").click()
    page.get_by_label("filter events").fill("waits")
    page.locator(".row.await").first.click()
    assert objections(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_kept_from_using_the_page_of_await_coverage(browser: Browser, tmp_path: Path, scheme: Scheme):
    tried = (("cancel", "parked", 3), ("cancel", "woken", 0))
    file = FileCoverage(
        "app.py",
        (Covered(Point("app.py", 2, "work", "sleep"), tried),),
        (3,),
        "async def work():\n    await a\n    await b\n",
    )
    place = tmp_path / "coverage.html"
    place.write_text(coverage_page((file,)), encoding="utf-8")
    page = browser.new_page(color_scheme=scheme)
    page.goto(place.as_uri())
    assert objections(page) == []
    page.close()


def test_what_nobody_could_use_is_objected_to(shown: Shown):
    shown.page.evaluate("document.querySelector('.toolbar button').setAttribute('aria-label', '')")
    shown.page.evaluate("document.querySelector('.toolbar button').textContent = ''")
    assert [objection.partition(":")[0] for objection in objections(shown.page)] == ["button-name"]


def test_a_command_is_copied(shown: Shown):
    shown.page.get_by_role("button", name="copy the command: run it again").click()
    expect(shown.page.locator(".command button")).to_have_text("copied")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_follows_light_and_dark(open_page: Opener, scheme: str):
    shown = open_page(TRACE, scheme=scheme)
    assert shown.page.evaluate("document.documentElement.dataset.theme") == scheme
    paper = shown.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light")
    shown.page.get_by_role("button", name="light / dark").click()
    assert shown.page.evaluate("document.documentElement.dataset.theme") != scheme


def test_hostile_text_is_text(open_page: Opener):
    async def hostile() -> None:
        raise AssertionError("</script><img src=x onerror=document.title='gone'>")

    shown = open_page(run(hostile).trace)
    assert shown.page.title() != "gone"
    expect(shown.page.locator("aside")).to_contain_text("</script><img src=x")
    assert shown.complaints == []


def test_numbers_that_were_noted_are_plotted(open_page: Opener):
    noted = (Event(at, at * 10**9, "note", 0, text=f"backlog = {at % 4}") for at in range(9, 20))
    shown = open_page(msgspec.structs.replace(TRACE, events=(*TRACE.events, *noted)))
    expect(shown.page.locator(".measures h2")).to_have_text("backlog")


def test_a_run_of_50_000_events_is_drawn_by_what_is_in_view(open_page: Opener):
    trace = run(many_events, limits=Limits(events=120_000)).trace
    assert len(trace.events) >= 50_000
    shown = open_page(trace)
    page = shown.page
    assert page.evaluate("document.querySelectorAll('.lanes-body *').length") < 20_000
    assert len(rows(page)) < 60
    page.get_by_role("button", name="to the end").click()
    expect(page.locator(".row.chosen")).to_contain_text("ended")
    for _ in range(12):
        page.get_by_role("button", name="zoom in").click()
    expect(page.locator(".lanes-body text", has_text="stage").first).to_be_attached()
    assert shown.complaints == []


def test_a_busy_run_draws_without_a_complaint(open_page: Opener):
    shown = open_page(run(busy(Random(3), tasks=12, turns=20), seed=1, order="any").trace)
    assert shown.complaints == []
