"""Await coverage: what an exploration says it has seen and tried, and what a file keeps of it."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from faultloop import explore
from faultloop.errors import CoverageError
from faultloop.model.coverage import Counting, Coverage, Covered, Point, merged
from faultloop.model.points import Site
from faultloop.search.coverage import add_coverage, load_coverage, source_marks

SITE = Site("work", "sleep", "app.py", 3, ("main app.py:9", "work app.py:3"))


async def waits_twice() -> None:
    """One wait without a deadline, one with; and one that only a cancellation leads to."""
    try:
        await asyncio.sleep(1)
        async with asyncio.timeout(5):
            await asyncio.sleep(2)
    except asyncio.CancelledError:
        await asyncio.sleep(0.5)
        raise


def by_line(coverage: Coverage) -> dict[int, set[tuple[str, str, bool]]]:
    """What can be done at each line of this file, counted from the function's own, and whether it was."""
    first = waits_twice.__code__.co_firstlineno
    return {
        covered.point.line - first: {(kind, phase, count > 0) for kind, phase, count in covered.tried}
        for covered in coverage.points
        if covered.point.file.endswith("test_coverage.py")
    }


def test_a_sweep_tries_everything_that_can_be_done():
    lines = by_line(explore(waits_twice, strategy="sweep").coverage)
    cancelled = {("cancel", "parked", True), ("cancel", "woken", True)}
    assert lines[3] == cancelled
    assert lines[5] == {*cancelled, ("expire", "woken", True)}


def test_an_await_that_only_a_fault_leads_to_is_covered_by_pairs():
    assert 7 not in by_line(explore(waits_twice, strategy="sweep").coverage)
    lines = by_line(explore(waits_twice).coverage)
    assert {chance for chance in lines[7] if chance[0] == "cancel"} == {
        ("cancel", "parked", True),
        ("cancel", "woken", True),
    }


def test_what_the_budget_left_out_is_a_chance_that_was_not_taken():
    lines = by_line(explore(waits_twice, strategy="sweep", runs=4).coverage)
    assert ("expire", "woken", False) in lines[5]
    assert sum(taken for chances in lines.values() for _, _, taken in chances) == 2


def test_awaits_are_seen_when_nothing_is_done_to_them():
    assert by_line(explore(waits_twice, faults=(), runs=4).coverage) == {3: set(), 5: set()}


def test_two_processes_cover_what_one_does():
    alone = explore(waits_twice, strategy="sweep").coverage
    assert explore(waits_twice, strategy="sweep", jobs=2).coverage == alone


def test_lines_that_a_wait_was_below_of_are_passed():
    counting = Counting()
    counting.seen(SITE)
    assert counting.coverage().passed == {"app.py": (3, 9)}


# Putting together


def covered(*tried: tuple[str, str, int], file: str = "app.py") -> Coverage:
    point = Point(file, 3, "work", "sleep")
    return Coverage(points=(Covered(point, tried),), sources={file: "text"})


def test_counts_add_up_and_chances_unite():
    both = merged(covered(("cancel", "parked", 1)), covered(("cancel", "parked", 2), ("expire", "woken", 0)))
    assert both.points[0].tried == (("cancel", "parked", 3), ("expire", "woken", 0))
    assert (both.points[0].chances, both.points[0].taken) == (2, 1)


def test_what_is_known_of_a_changed_file_is_dropped():
    newer = msgspec.structs.replace(covered(("cancel", "woken", 1)), sources={"app.py": "other text"})
    assert merged(covered(("cancel", "parked", 1)), newer).points[0].tried == (("cancel", "woken", 1),)
    unrelated = merged(covered(("cancel", "parked", 1)), covered(file="other.py"))
    assert len(unrelated.points) == 2


def test_a_file_is_added_to(tmp_path: Path):
    place = tmp_path / "coverage.json"
    add_coverage(place, covered(("cancel", "parked", 1)))
    add_coverage(place, covered(("cancel", "parked", 1)))
    assert load_coverage(place).points[0].tried == (("cancel", "parked", 2),)


@pytest.mark.parametrize("text", [b"", b"{}", b'{"format": "faultloop-trace"}', b"[" * 100_000, b"\xff\xfe"])
def test_a_file_that_is_none_is_named_and_left_alone(tmp_path: Path, text: bytes):
    place = tmp_path / "coverage.json"
    place.write_bytes(text)
    with pytest.raises(CoverageError, match=r"coverage\.json: not a file of faultloop-coverage"):
        add_coverage(place, covered())
    assert place.read_bytes() == text


def test_a_file_of_a_later_version_is_refused(tmp_path: Path):
    place = tmp_path / "coverage.json"
    place.write_text('{"format": "faultloop-coverage", "version": 2}')
    with pytest.raises(CoverageError, match="version 1 or lower"):
        load_coverage(place)


def test_only_the_projects_own_sources_are_looked_at(tmp_path: Path):
    (tmp_path / "app.py").write_text("x = 1\n")
    (tmp_path.parent / "outside.py").write_text("x = 1\n")
    files = ["app.py", "gone.py", "../outside.py", "<stdlib>/asyncio/tasks.py", "app.txt"]
    assert list(source_marks(files, tmp_path)) == ["app.py"]
