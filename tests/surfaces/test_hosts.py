"""Whoever runs the async tests of a suite: faultloop runs, explores and replays them as they are."""

import pytest

from tests.surfaces.conftest import Suite, command_line, digest_in
from tests.surfaces.hosts import HOSTS, Host

pytest_plugins = ["pytester"]

every_host = pytest.mark.parametrize("host", [pytest.param(host, id=host.name) for host in HOSTS])


@every_host
def test_a_calm_run_is_in_virtual_time_and_its_verdicts_are_pytests(suite: Suite, host: Host):
    suite.write(host.source)
    printed = suite.run("--faultloop=run", "-v", passed=2, failed=2)
    assert "test_sound PASSED [36" in printed  # 3600 s, and those of the fixtures where they are async
    assert "deadlock" in printed
    assert suite.traces == []


@every_host
def test_a_test_that_fails_without_faults_is_told_once_and_not_explored(suite: Suite, host: Host):
    suite.write(host.source)
    printed = suite.run("--faultloop=explore", host.node("test_fails"), failed=1)
    assert "It fails without any fault, so nothing was explored." in printed
    assert printed.count("FAILED") == 1
    assert suite.traces == []


@every_host
def test_a_cancellation_that_is_let_through_is_no_failure(suite: Suite, host: Host):
    suite.write(host.source)
    printed = suite.run("--faultloop=explore", "--faultloop-runs=50", "-v", host.node("test_sound"), passed=1)
    assert "1 await, " in printed or "awaits, " in printed
    assert suite.traces == []


@every_host
def test_what_a_cancellation_breaks_is_one_failure_that_both_commands_replay(
    suite: Suite, host: Host, capsys: pytest.CaptureFixture[str]
):
    suite.write(host.source)
    printed = suite.run("--faultloop=explore", "--faultloop-runs=50", host.node("test_leaks"), failed=1)
    assert "Cancelling" in printed
    assert "replayed once, with the same digest" in printed
    (trace,) = suite.traces
    again = suite.run("--faultloop-trace", str(trace), failed=1)
    capsys.readouterr()
    assert command_line("replay", str(trace)) == 1
    told = capsys.readouterr().out
    assert digest_in(printed) == digest_in(again) == digest_in(told) != ""


@every_host
def test_each_run_has_fixtures_of_its_own(suite: Suite, host: Host):
    suite.write(host.source)
    suite.run("--faultloop=explore", "--faultloop-runs=20", host.node("test_sound"), passed=1)
