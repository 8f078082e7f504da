"""`coverage`: what explorations have seen and tried, as a table or a page."""

from __future__ import annotations

from pathlib import Path

from faultloop.cli.arguments import Options
from faultloop.cli.codes import FOUND_FAILURE, FOUND_NOTHING
from faultloop.cli.console import Console
from faultloop.cli.project import TRACES, project_root, shown_path
from faultloop.errors import CoverageError
from faultloop.report.coverage import FileCoverage, coverage_page, coverage_table, files_of, share
from faultloop.search.coverage import load_coverage, source_text

DATA = "coverage.json"
"""What the file of await coverage is called, in the folder of traces."""


def coverage_verb(options: Options, console: Console) -> int:
    """Tell, draw or forget await coverage; exit code 1 if it is below what was asked for."""
    root = project_root(options.root)
    data = Path(options.data) if options.data else root / TRACES / DATA
    if options.action == "erase":
        load_coverage(data)  # so that nothing else is deleted
        data.unlink()
        console.say(f"erased {shown_path(data)}")
        return FOUND_NOTHING
    files = files_of(load_coverage(data), lambda file: source_text(root, file), options.files)
    if not files:
        which = f' that match "{options.files}"' if options.files != "*" else ""
        raise CoverageError(
            f"{shown_path(data)}: it knows no files of the project in {root}{which}. "
            "Name the project with --root, or the files with --files",
            code="FL122",
        )
    return _told(files, data, options, console)


def _told(files: tuple[FileCoverage, ...], data: Path, options: Options, console: Console) -> int:
    percent = share(files)
    if options.action == "html":
        place = Path(options.out) if options.out else data.with_suffix(".html")
        console.deliver(coverage_page(files).encode(), place, f": {percent:.0f}%")
    else:
        console.say(coverage_table(files))
    is_below = options.fail_under is not None and percent < options.fail_under
    if is_below:
        console.warn(f"await coverage is {percent:.1f}%, below the {options.fail_under:g}% asked for")
    console.result(
        {
            "percent": round(percent, 3),
            "files": {
                each.file: {
                    "seen": len(each.points),
                    "unseen": list(each.unseen),
                    "chances": each.chances,
                    "tried": each.taken,
                }
                for each in files
            },
        }
    )
    return FOUND_FAILURE if is_below else FOUND_NOTHING
