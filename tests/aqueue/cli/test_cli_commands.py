"""Each command over a real file: what it says to people, to machines, and what it leaves in the store."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from aqueue.lifecycle import Bury
from aqueue.store.limits import QUEUE, Pause, TaskRule, task_scope
from aqueue.store.operations import Claim, Enqueue, Redrive, Settle
from aqueue.store.progress import Report
from aqueue.store.rows import FireRow
from aqueue.store.sqlite.tables import SqliteTables
from tests.aqueue.cli.conftest import Ask, perform, task_job


def state_of(path: Path, job: int) -> tuple[str, str | None] | None:
    with closing(sqlite3.connect(path)) as connection:
        found: tuple[str, str | None] | None = connection.execute(
            "SELECT state,dead_reason FROM aq_job WHERE id=?", (job,)
        ).fetchone()
        return found


def test_ps_shows_who_runs_what_and_what_is_due(ask: Ask, store: str):
    answer = ask("ps", "--store", store)
    assert answer.code == 0
    lines = answer.out.splitlines()
    assert lines[0] == "1 running"
    assert re.fullmatch(r"w2 +5  charge +1  .* \d+s", lines[3]), lines[3]
    assert lines[5] == "1 due"
    assert re.fullmatch(r" *6  mail +0  0/3 +(now|.+ ago) \(20\d\d-\d\d-\d\d \d\d:\d\d:\d\dZ\)", lines[8]), lines[8]
    record = ask("ps", "--store", store, "--json").record
    assert [(each["id"], each["worker"]) for each in record["running"]] == [(5, "w2")]
    assert [each["id"] for each in record["due"]] == [6]
    assert record["running"][0]["claimed_at"] <= record["now"] < record["running"][0]["lease_until"]


def test_ps_says_which_lease_ran_out(ask: Ask, store: str, jobs: Path):
    with closing(sqlite3.connect(jobs)) as connection, connection:
        connection.execute("UPDATE aq_job SET lease_until=lease_until-3600000 WHERE id=5")
    assert "ran out 59m" in ask("ps", "--store", store).out


def test_show_tells_a_job_and_its_history(ask: Ask, store: str):
    answer = ask("show", 2, "--store", store)
    assert answer.code == 0
    assert "job 2        charge, dead (rejected)" in answer.out
    assert "error        Reject: no such order 7" in answer.out
    assert re.search(r"buried +1  w1 +Reject: no such order 7$", answer.out, flags=re.MULTILINE)
    record = ask("show", 1, "--store", store, "--json").record
    assert (record["state"], record["result"], record["args"]) == ("succeeded", "paid", [])
    assert [event["kind"] for event in record["history"]] == ["enqueued", "claimed", "succeeded"]


def test_show_tells_how_far_a_job_says_it_is(ask: Ask, store: str, jobs: Path):
    perform(jobs, Report(5, 1, b'{"done":3}'))
    assert 'progress     {"done":3}, said in attempt 1, ' in ask("show", 5, "--store", store).out
    assert ask("show", 5, "--store", store, "--json").record["progress"] == {"done": 3}
    assert ask("show", 1, "--store", store, "--json").record["progress"] is None


def test_show_tells_why_a_payload_cannot_be_read_and_keeps_its_bytes(ask: Ask, store: str, jobs: Path):
    with closing(sqlite3.connect(jobs)) as connection, connection:
        connection.execute("UPDATE aq_job SET payload=x'00ff1b' WHERE id=6")
    assert "called with  the payload cannot be read: its checksum is" in ask("show", 6, "--store", store).out
    assert ask("show", 6, "--store", store, "--json").record["payload_hex"] == "00ff1b"


def test_text_from_the_store_moves_no_cursor(ask: Ask, store: str, jobs: Path):
    with closing(sqlite3.connect(jobs)) as connection, connection:
        connection.execute("UPDATE aq_job SET error=?, task=? WHERE id=2", ("\x1b[2Jgone\r\nnext\u202e", "a\x07b"))
    for command in (("show", 2), ("dead", "list")):
        answer = ask(*command, "--store", store)
        assert r"\x1b[2Jgone\r\nnext\u202e" in answer.out
        assert not set(answer.out) & set("\x1b\x07\r\u202e")


def test_stats_counts_depth_rates_limits_and_breakers(ask: Ask, store: str, jobs: Path):
    perform(jobs, Pause(QUEUE, paused=True))
    answer = ask("stats", "--store", store)
    assert answer.code == 0
    assert re.search(r"^mail +pending +2 +1  \S+$", answer.out, flags=re.MULTILINE), answer.out
    assert re.search(r"^charge +running +1$", answer.out, flags=re.MULTILINE)
    assert re.search(r"^queue +paused$", answer.out, flags=re.MULTILINE)
    record = ask("stats", "--store", store, "--json").record
    assert record["events"]["charge"] == {"enqueued": 3, "claimed": 3, "succeeded": 1, "buried": 1}
    assert {(each["task"], each["state"]): each["jobs"] for each in record["depth"]} == {
        ("charge", "dead"): 1, ("charge", "running"): 1, ("charge", "succeeded"): 1, ("mail", "dead"): 1,
        ("mail", "pending"): 2,
    }  # fmt: skip
    assert ask("stats", "--store", store, "--window", "0", "--json").record["events"] == {}


def test_stats_and_check_name_tasks_that_nobody_takes(ask: Ask, store: str, jobs: Path):
    """Others are taken meanwhile, so there are workers: they do not know «export»."""
    hour = 3_600_000
    perform(jobs, Enqueue((task_job("e1", "export"), task_job("e2", "export"))), shift_ms=-hour)
    perform(jobs, Claim("w3", "n9", 1, lease_ms=60_000, rules={"mail": TaskRule()}, only_known=True))
    for command in ("stats", "check"):
        answer = ask(command, "--store", store)
        assert answer.code == 0, "no invariant is broken"
        assert re.search(r"^nobody takes export: 2 due, the first one for (59m|1h)", answer.out, flags=re.MULTILINE)
        assert "the workers that run do not know the task (AQ006)" in answer.out
        assert "nobody takes mail" not in answer.out
        (untaken,) = ask(command, "--store", store, "--json").record["untaken"]
        assert (untaken["task"], untaken["due"]) == ("export", 2)
        assert "nobody" not in ask(command, "--store", store, "--grace", "2h").out, "not yet"


@pytest.mark.parametrize("scope", [QUEUE, task_scope("export")])
def test_a_task_that_is_paused_is_not_said_to_be_unknown(ask: Ask, store: str, jobs: Path, scope: str):
    perform(jobs, Enqueue((task_job("e1", "export"),)), shift_ms=-3_600_000)
    perform(jobs, Pause(scope))
    assert "nobody takes export" not in ask("stats", "--store", store).out


def test_dead_list_names_them_with_their_reasons(ask: Ask, store: str):
    answer = ask("dead", "list", "--store", store)
    assert [line.split()[:3] for line in answer.out.splitlines()[1:]] == [
        ["2", "charge", "rejected"], ["3", "mail", "exhausted"]
    ]  # fmt: skip
    assert [
        each["id"] for each in ask("dead", "list", "--task", "mail", "--store", store, "--json").record["dead"]
    ] == [3]
    dead, shown = (ask(*verb, 3, "--store", store, "--json").record for verb in (("dead", "show"), ("show",)))
    assert dead | {"now": 0} == shown | {"now": 0}


def test_redrive_goes_row_by_row_and_reports_the_skipped(ask: Ask, store: str, jobs: Path):
    answer = ask("dead", "redrive", 2, 4, 77, "--store", store)
    assert (answer.code, state_of(jobs, 2)) == (1, ("pending", None))
    assert answer.out.splitlines()[0] == "redriven: 1 of 3"
    assert re.search(r" 4  it is pending, not dead\n +77  there is no such job", answer.out)
    everything = ask("dead", "redrive", "--all", "--rate", "1000/s", "--store", store, "--json")
    assert (everything.code, everything.record) == (0, {"redriven": [3], "skipped": {}})


def test_a_job_that_came_back_with_the_same_error_is_redriven_by_force_only(ask: Ask, store: str, jobs: Path):
    """The numbers in the error do not count; another error does."""
    death = Settle(2, "w3", Bury(2, "rejected"), error="Reject: no such order 8")
    perform(jobs, Redrive(2), Claim("w3", "n3", 9, lease_ms=60_000), death)
    answer = ask("dead", "redrive", "--all", "--task", "charge", "--store", store)
    assert answer.code == 1
    assert "died of the same error; mend the cause, then --force" in answer.out
    assert ask("dead", "redrive", 2, "--force", "--store", store).code == 0
    perform(jobs, Claim("w3", "n4", 9, lease_ms=60_000), Settle(2, "w3", Bury(3, "rejected"), error="KeyError: 'x'"))
    assert ask("dead", "redrive", 2, "--store", store).code == 0


def test_the_limit_bounds_a_bulk_redrive(ask: Ask, store: str, jobs: Path):
    assert ask("dead", "redrive", "--all", "--limit", 1, "--store", store, "--json").record["redriven"] == [2]
    assert state_of(jobs, 3) == ("dead", "exhausted")


def test_a_parked_job_is_redriven_once_it_is_taken_back(ask: Ask, store: str, jobs: Path):
    assert ask("dead", "park", 2, "--store", store).out == "parked: 1 of 1\n"
    assert state_of(jobs, 2) == ("dead", "parked: rejected")
    refused = ask("dead", "redrive", "--all", "--store", store, "--json")
    assert (refused.code, refused.record["redriven"]) == (1, [3])
    assert perform(jobs, Redrive(2)) == ["the job is parked"], "whoever redrives"
    assert ask("check", "--store", store).code == 0
    assert ask("dead", "park", "--undo", 2, "--store", store).out == "taken back: 1 of 1\n"
    assert ask("dead", "redrive", 2, "--store", store).code == 0


def test_purge_wants_yes_and_keeps_the_log(ask: Ask, store: str, jobs: Path):
    refused = ask("dead", "purge", "--all", "--store", store)
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith("aqueue: AQ060 purge removes jobs for good. Expected: --yes.")
    assert state_of(jobs, 2) == ("dead", "rejected")
    answer = ask("dead", "purge", "--all", "--yes", "--store", store)
    assert (answer.code, answer.out, state_of(jobs, 2)) == (0, "purged: 2 of 2\n", None)
    assert ask("check", "--store", store).code == 0, "S8: the log says what became of them"
    shown = ask("show", 2, "--store", store)
    assert "purged; only its log is left" in shown.out
    assert "buried" in shown.out
    assert ask("dead", "purge", 2, "--yes", "--store", store).code == 1
    assert "(purged)" in ask("stats", "--store", store).out


def test_cancel_cancels_or_asks(ask: Ask, store: str, jobs: Path):
    answer = ask("cancel", 5, 6, 1, "--store", store)
    assert answer.code == 1
    assert [line.split(None, 1)[1] for line in answer.out.splitlines()[1:]] == [
        "asked to stop; its worker hears of it when it renews its lease", "cancelled", "has ended before: succeeded"
    ]  # fmt: skip
    assert "CANCEL" in ask("ps", "--store", store).out
    unknown = ask("cancel", 99, "--store", store)
    assert (unknown.code, unknown.err[:13]) == (2, "aqueue: AQ007")


def test_cron_lists_schedules_and_missed_times_and_removes(ask: Ask, store: str, jobs: Path):
    with closing(sqlite3.connect(jobs, isolation_level=None)) as connection:
        SqliteTables(connection).add_fire(FireRow("nightly", 1_777_593_600_000, None))
    assert re.search(
        r"^nightly +0 3 \* \* \* +UTC +last +in ", ask("cron", "list", "--store", store).out, flags=re.MULTILINE
    )
    assert "(2026-05-01 00:00:00Z)" in ask("cron", "missed", "--store", store).out
    assert ask("cron", "missed", "--store", store, "--json").record["missed"] == [
        {"name": "nightly", "fire_at": 1_777_593_600_000}
    ]
    assert ask("cron", "remove", "nightly", "--store", store).code == 0
    assert ask("cron", "list", "--store", store).out == "no schedules\n"
    assert ask("cron", "remove", "nightly", "--store", store).code == 2


def test_check_names_what_does_not_hold_in_words(ask: Ask, store: str, jobs: Path):
    assert ask("check", "--store", store).out == "every invariant holds (20 were asked; L2 needs the workers)\n"
    with closing(sqlite3.connect(jobs)) as connection, connection:
        connection.execute("UPDATE aq_job SET attempt=2 WHERE id=5")
    answer = ask("check", "--store", store)
    assert (answer.code, answer.out) == (
        1, "S1: a job's attempt is not the number of its claims: jobs 5\n    run `aqueue repair`\n"
    )  # fmt: skip
    record = ask("check", "--store", store, "--json").record
    assert (record["holds"], record["violations"][0]["rows"]) == (False, [[5]])


def test_check_asks_the_storage_too(ask: Ask, store: str, jobs: Path):
    with closing(sqlite3.connect(jobs)) as connection, connection:
        connection.execute("PRAGMA ignore_check_constraints=ON")
        connection.execute("UPDATE aq_job SET redrives=99 WHERE id=1")
    assert "storage: CHECK constraint failed in aq_job" in ask("check", "--store", store).out


def test_repair_says_first_and_does_then(ask: Ask, store: str, jobs: Path):
    with closing(sqlite3.connect(jobs)) as connection, connection:
        connection.execute("UPDATE aq_job SET attempt=2 WHERE id=5")
        connection.execute("DELETE FROM aq_job WHERE id=6")
    before = jobs.read_bytes()
    promised = ask("repair", "--dry-run", "--store", store)
    assert (promised.code, jobs.read_bytes() == before) == (1, True)
    assert "WOULD BE DONE" in promised.out
    done = ask("repair", "--store", store)
    assert done.code == 1
    assert "  5  set to what its log says: attempt 1 instead of 2" in done.out
    assert "not repairable:\nS8: a job that had not ended is gone: jobs 6\n    its arguments are gone" in done.out
    again = ask("repair", "--store", store, "--json")
    assert (again.code, again.record["cures"]) == (1, [])


def test_repair_of_a_whole_store_has_nothing_to_do(ask: Ask, store: str):
    for options in ([], ["--dry-run"]):
        answer = ask("repair", *options, "--store", store)
        assert (answer.code, answer.out) == (0, "nothing to repair\n")


def test_spread_gives_retries_times_of_their_own(ask: Ask, store: str, jobs: Path):
    assert ask("spread", "--over", "10m", "--task", "charge", "--store", store).out == "0 retries spread over 10m\n"
    assert ask("spread", "--over", "10m", "--store", store).out == "1 retries spread over 10m\n"
    record = ask("show", 4, "--store", store, "--json").record
    assert 0 <= record["run_at"] - record["now"] + 60_000 <= 660_000
    assert ask("check", "--store", store).code == 0


@pytest.mark.parametrize(
    "command", ["ps", "stats", "check", "dead list", "cron list", "cron missed", "repair --dry-run"]
)
def test_looking_changes_no_byte(ask: Ask, store: str, jobs: Path, command: str):
    before = jobs.read_bytes()
    assert ask(*command.split(), "--store", store).code == 0
    assert jobs.read_bytes() == before
    assert sorted(path.name for path in jobs.parent.iterdir()) == ["jobs.db"]
