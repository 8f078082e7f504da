"""Await coverage as people read it: a table by file, a page of annotated sources."""

from faultloop.model.coverage import Coverage, Covered, Point
from faultloop.report.coverage import awaits_in, coverage_page, coverage_table, files_of, share

SOURCE = """\
async def work(queue):
    job = await queue.get()
    async with lock:
        await store(
            job,
        )
    async for line in lines:
        pass
    return await done()
"""
COVERAGE = Coverage(
    points=(
        Covered(Point("app.py", 2, "work", "Queue.get"), (("cancel", "parked", 3), ("cancel", "woken", 0))),
        Covered(Point("app.py", 5, "work", "store"), (("cancel", "parked", 1),)),
        Covered(Point("<stdlib>/asyncio/queues.py", 9, "get", "Future"), (("cancel", "parked", 1),)),
    ),
    passed={"app.py": (3,)},
)


def text_of(file: str) -> str | None:
    return SOURCE if file == "app.py" else None


def test_all_awaits_of_a_source_are_found():
    assert [(lines[0], lines[-1]) for lines in awaits_in(SOURCE)] == [(2, 2), (3, 3), (4, 6), (7, 7), (9, 9)]


def test_a_source_that_cannot_be_parsed_has_none():
    assert awaits_in("async def (:") == ()


def test_the_projects_own_files_are_told_with_the_awaits_that_never_waited():
    (file,) = files_of(COVERAGE, text_of)
    assert (file.file, file.chances, file.taken, file.unseen) == ("app.py", 3, 2, (7, 9))


def test_the_share_is_of_what_could_be_done():
    assert round(share(files_of(COVERAGE, text_of)), 1) == 66.7
    assert share(()) == 100.0


def test_the_table_names_what_is_missing():
    lines = coverage_table(files_of(COVERAGE, text_of)).splitlines()
    assert lines[0].split() == ["file", "awaits", "seen", "chances", "tried", "cover", "missing"]
    assert lines[2].split(maxsplit=6) == ["app.py", "4", "2", "3", "2", "67%", "never waited: 7, 9; no cancel woken: 2"]
    assert lines[-1].split() == ["TOTAL", "4", "2", "3", "2", "67%"]


def test_a_pattern_chooses_files():
    assert files_of(COVERAGE, text_of, "other/*") == ()


def test_the_page_marks_each_line_with_what_was_tried():
    page = coverage_page(files_of(COVERAGE, text_of))
    assert '<span class="line part"><span class="number">2</span>    job = await queue.get()' in page
    assert 'cancel parked 3 · <b class="gap">no cancel woken</b>' in page
    assert '<span class="line full"><span class="number">5</span>' in page
    assert '<span class="line none"><span class="number">9</span>' in page
    assert "<script" not in page


def test_what_a_source_says_is_text_on_the_page():
    hostile = "x = '</pre><script>alert(1)</script>'\n" + SOURCE
    page = coverage_page(files_of(COVERAGE, lambda file: hostile if file == "app.py" else None))
    assert "<script" not in page
