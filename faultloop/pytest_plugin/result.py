"""What one test came to: the reports that pytest makes, with what we have to say in them."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

HEADING = "faultloop"


@dataclass(slots=True)
class Result:
    """What a test came to: reports, as pytest makes them, with ours in them."""

    reports: list[pytest.TestReport] = field(default_factory=list[pytest.TestReport])
    was_interrupted: bool = False
    """Whether somebody stopped the search from the keyboard: this is told, and then the session ends."""

    @property
    def is_plain_pass(self) -> bool:
        """Whether the test passed, and was neither skipped nor expected to fail."""
        return len(self.reports) == 3 and all(
            report.passed and getattr(report, "wasxfail", None) is None for report in self.reports
        )

    def tell(self, text: str) -> None:
        """Put a section under what failed."""
        for report in self.reports:
            if report.failed:
                report.sections.append((HEADING, text))
                return

    def carry(self, name: str, value: str) -> None:
        """Have something shown at the end, or in the result file."""
        for report in self.reports:
            if report.when != "setup":
                report.user_properties.append((name, value))

    def fail(self, text: str) -> None:
        """The test fails although it raised nothing: for what was found beside it."""
        report = next((report for report in self.reports if report.when == "call"), self.reports[-1])
        report.outcome = "failed"
        report.longrepr = text
